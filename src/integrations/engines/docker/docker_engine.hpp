#pragma once
#include "base/async/task_group.hpp"
#include "integrations/docker/docker_client.hpp"
#include "integrations/engines/engine.hpp"
#include "integrations/engines/local_instance.hpp"
#include "integrations/engines/template/engine_template.hpp"

#include <filesystem>
#include <functional>
#include <vector>

namespace llmm::engines::docker {

// The JSON of POST /containers/create for an instance: the one place where a container's rights are written down.
// Everything in it comes from the template, from this program, or through the template's typed options.
struct ContainerOrder {
    const EngineTemplate& engine;
    const Order& order;
    std::string home_label;
    std::vector<std::pair<std::filesystem::path, std::string>> files;  // on the host → below /models
    std::string model;                                                 // path inside
    std::string key;                                                   // of the engine; empty: none
    unsigned user = 0, group = 0;
};
std::string container_body(const ContainerOrder& container);

// Engines in containers, by templates.
class DockerEngine final : public Engine {
  public:
    struct Settings {
        std::string socket;
        std::vector<std::filesystem::path> templates;  // folders
        // Fetches an image as a task of its own, and waits for it. The caller's coroutine may be cancelled.
        std::function<Task<>(std::string image)> pull;
    };
    DockerEngine(LocalHost host, Settings settings);
    ~DockerEngine() override;

    const EngineDescriptor& descriptor() const override { return descriptor_; }
    std::vector<EngineDescriptor> templates() const override;
    Task<Availability> availability() override;
    Details check(const std::string& config) const override;
    std::optional<MetricNames> metrics(const std::string& config) const override;
    std::optional<llama_server::MemorySettings> memory_settings(const std::string& config,
                                                                const std::string& gpu_device,
                                                                bool has_gpu) const override;
    std::string complete(const std::string& config, std::string_view format) const override;
    Task<Record> prepare(const Order& order) override;
    Task<std::unique_ptr<EngineInstance>> start(Order order, Record prepared) override;
    Task<std::unique_ptr<EngineInstance>> adopt(Order order, Record record) override;
    Task<> sweep(std::vector<Record> kept, std::chrono::milliseconds grace) override;
    Task<> close() override;

    // For the task that fetches images.
    Task<> fetch_image(std::string image, std::function<void(double)> report);

  private:
    Task<> load();
    std::string home_label() const;
    Task<std::unique_ptr<EngineInstance>> watch(Order order, std::string container, std::chrono::nanoseconds since);

    const LocalHost host_;
    const Settings settings_;
    llmm::docker::DockerClient client_;
    std::shared_ptr<const Templates> templates_;  // kept by whoever uses one across a wait
    std::vector<std::string_view> formats_;
    EngineDescriptor descriptor_;
    TaskGroup logs_;  // copies of the containers' logs
};

}  // namespace llmm::engines::docker
