#pragma once
#include "base/secret/secret.hpp"
#include "integrations/engines/engine.hpp"
#include "integrations/engines/local_instance.hpp"

#include <filesystem>
#include <string>

// Somebody else's server that speaks OpenAI's API: it is neither started nor ended here, only asked.
namespace llmm::engines {

class ExternalEngine final : public Engine {
  public:
    struct Settings {
        std::string ca_file;  // PEM file with certificate authorities; empty: the system's
    };
    ExternalEngine(LocalHost host, Settings settings) : host_(std::move(host)), settings_(std::move(settings)) {}

    const EngineDescriptor& descriptor() const override;
    Task<Availability> availability() override;
    // {"url":"https://host/base", "model":"name there", "api_key":"…"}
    Details check(const std::string& config) const override;
    Task<std::string> keep_secrets(std::string deployment, std::string config) override;
    Task<> forget(std::string deployment) override;
    Task<Record> prepare(const Order& order) override;
    Task<std::unique_ptr<EngineInstance>> start(Order order, Record prepared) override;
    Task<std::unique_ptr<EngineInstance>> adopt(Order order, Record record) override;
    Task<> sweep(std::vector<Record> kept, std::chrono::milliseconds grace) override;

  private:
    std::filesystem::path key_file(const std::string& deployment) const;
    Task<std::unique_ptr<EngineInstance>> connect(Order order);

    const LocalHost host_;
    const Settings settings_;
};

// Where a base URL leads: the endpoint and the path in front of every target. nullopt for a URL that is none, has a
// query, ends in /v1, or names an address that no engine may have (link-local, multicast, unspecified).
struct ExternalAddress {
    Endpoint endpoint;
    std::string base_path;
};
std::optional<ExternalAddress> parse_external_url(std::string_view text);

}  // namespace llmm::engines
