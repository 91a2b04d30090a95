#pragma once
#include "integrations/answer_cache.hpp"
#include "integrations/hub.hpp"
#include "integrations/hub_client.hpp"
#include "integrations/ollama/ollama_manifest.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llmm::hubs {

// An Ollama registry: manifests and blobs by name. Its repositories are "[host/]namespace/model:tag", their revision is
// the SHA-256 of the manifest (64 hex digits), so a tag that moves is another revision. It has no search.
class OllamaHub final : public Hub {
  public:
    struct Options {
        Url registry;     // OLLAMA_REGISTRY
        Url huggingface;  // what "hf.co/…" and "huggingface.co/…" names are asked of
        std::chrono::milliseconds cache_lifetime = std::chrono::minutes(5);  // of repositories; 0: none
        std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
        std::chrono::milliseconds first_retry_delay{300};
    };
    OllamaHub(Options options, HttpClient& http, const UrlGuard& guard);

    std::string_view source() const override { return "ollama"; }
    bool can_search() const override { return false; }
    Task<SearchPage> search(SearchQuery query) override;
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    struct Known {
        ollama::Name name;
        std::string revision;
        ollama::Manifest manifest;
        ollama::ModelConfig config;
        std::vector<ollama::NamedLayer> layers;
        Repository repository;
    };
    struct Token {
        std::string value;
        std::chrono::steady_clock::time_point expires;
    };

    Task<Known> known(std::string repo);
    Task<Known> fetch(ollama::Name name);
    // The text of a small blob, checked against its digest.
    Task<std::string> fetch_text(ollama::Name name, ollama::Layer layer);
    // With a token when the registry asks for one and its realm is the registry itself.
    Task<HubClient::Answer> ask(ollama::Name name, HubClient::Question question, bool head_only);
    Task<std::string> fetch_token(ollama::Name name, std::string header);
    Url url_of(const ollama::Name& name, const std::string& rest) const;
    Url base_of(const ollama::Name& name) const;

    Options options_;
    HubClient client_;
    AnswerCache<Known> repositories_;
    std::map<std::string, Token> tokens_;  // by "origin/namespace/model"
};

}  // namespace llmm::hubs
