#pragma once
#include "integrations/engines/engine.hpp"
#include "integrations/engines/local_instance.hpp"
#include "integrations/engines/template/engine_template.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace llmm::engines {

// Any local server, by templates that an operator writes.
class ProcessEngine final : public Engine {
  public:
    struct Settings {
        std::vector<std::filesystem::path> templates;  // folders
        std::string path_variable;                     // PATH, for programs that are named without a folder
    };
    ProcessEngine(LocalHost host, Settings settings);

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

  private:
    void take(Templates templates);
    // Empty when it is not installed. Blocking.
    std::optional<std::filesystem::path> find_program(const EngineTemplate& engine) const;

    const LocalHost host_;
    const Settings settings_;
    std::shared_ptr<const Templates> all_;  // kept by whoever uses one across a wait
    std::vector<std::string_view> formats_;
    EngineDescriptor descriptor_;
};

}  // namespace llmm::engines
