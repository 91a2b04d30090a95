#pragma once
#include "integrations/engines/engine.hpp"
#include "integrations/engines/local_instance.hpp"

#include <memory>
#include <optional>
#include <string>

namespace llmm::engines {

// Models inside an Ollama that runs already: registered or pulled there, loaded for as long as the deployment runs.
class OllamaEngine final : public Engine {
  public:
    // `host`: as in OLLAMA_HOST, "http://127.0.0.1:11434" or "host:port"; empty: not configured.
    OllamaEngine(LocalHost local, std::string host);

    const EngineDescriptor& descriptor() const override;
    Task<Availability> availability() override;
    Details check(const std::string& config) const override;
    Task<> forget(std::string deployment) override;
    Task<Record> prepare(const Order& order) override;
    Task<std::unique_ptr<EngineInstance>> start(Order order, Record prepared) override;
    Task<std::unique_ptr<EngineInstance>> adopt(Order order, Record record) override;
    Task<> sweep(std::vector<Record> kept, std::chrono::milliseconds grace) override;

  private:
    Task<> send_blob(std::string digest, std::filesystem::path file);
    Task<> create(std::string name, const Order& order);
    std::unique_ptr<EngineInstance> instance(const Order& order) const;

    const LocalHost local_;
    std::shared_ptr<Upstream> ollama_;  // null: not configured, or a host that can't be used
    Endpoint endpoint_;
};

}  // namespace llmm::engines
