#pragma once
#include "integrations/answer_cache.hpp"
#include "integrations/hub.hpp"
#include "integrations/hub_client.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace llmm::hubs {

// modelscope.cn, modelscope.ai, or a mirror that speaks the same protocol.
class ModelScopeHub final : public Hub {
  public:
    struct Options {
        Url endpoint;        // MODELSCOPE_ENDPOINT
        SecretString token;  // MODELSCOPE_API_TOKEN; empty: anonymous
        std::chrono::milliseconds cache_lifetime =
            std::chrono::minutes(5);  // of search pages and repositories; 0: none
        std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
        std::chrono::milliseconds first_retry_delay{300};
    };
    ModelScopeHub(Options options, HttpClient& http, const UrlGuard& guard);

    std::string_view source() const override { return "modelscope"; }
    Task<SearchPage> search(SearchQuery query) override;
    // The API has no list of them: empty. A task's name ("text-generation") still filters a search.
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    Task<SearchPage> fetch_search(Url url, std::int64_t page, std::int64_t size);
    Task<Repository> fetch_repository(std::string repo, std::string revision);
    Task<std::optional<std::string>> fetch_card(std::string repo, std::string revision);
    // A success whose body is no refusal. `about` is for the words of a failure.
    Task<HubClient::Answer> ask(Url url, std::string about);
    [[noreturn]] void refuse(const HubClient::Answer& answer, const std::string& about) const;
    Url url_of(const std::string& path) const;
    Url file_url(const std::string& repo, const std::string& revision, const std::string& path) const;

    Options options_;
    HubClient client_;
    AnswerCache<SearchPage> pages_;
    AnswerCache<Repository> repositories_;
};

}  // namespace llmm::hubs
