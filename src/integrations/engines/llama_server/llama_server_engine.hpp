#pragma once
#include "integrations/engines/engine.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"
#include "integrations/engines/llama_server/memory_estimate.hpp"
#include "integrations/engines/local_instance.hpp"

#include <filesystem>
#include <optional>

namespace llmm::engines::llama_server {

// Of a deployment on the CPU no layer is elsewhere.
OptionValues options_of(const Order& order);

class LlamaServerEngine final : public Engine {
  public:
    LlamaServerEngine(LocalHost host, SearchPlaces places) : host_(std::move(host)), places_(std::move(places)) {}

    const EngineDescriptor& descriptor() const override { return kDescriptor; }
    Task<Availability> availability() override;
    Details check(const std::string& config) const override;
    std::optional<MetricNames> metrics(const std::string& config) const override;
    std::optional<MemorySettings> memory_settings(const std::string& config, const std::string& gpu_device,
                                                  bool has_gpu) const override;
    Task<Record> prepare(const Order& order) override;
    Task<std::unique_ptr<EngineInstance>> start(Order order, Record prepared) override;
    Task<std::unique_ptr<EngineInstance>> adopt(Order order, Record record) override;
    Task<> sweep(std::vector<Record> kept, std::chrono::milliseconds grace) override;

  private:
    struct Known {
        Program program;
        std::filesystem::file_time_type changed_at;
    };
    // Asked for its version and flags only when the file has changed. Throws ENGINE_UNAVAILABLE with how to get it.
    Task<Program> program();
    Task<Endpoint> address_for(std::string instance, std::optional<int> port);

    const LocalHost host_;
    const SearchPlaces places_;
    std::optional<Known> known_;
};

}  // namespace llmm::engines::llama_server
