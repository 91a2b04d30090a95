#pragma once
#include "base/net/http_client.hpp"
#include "base/net/url_guard.hpp"
#include "base/secret/secret.hpp"
#include "integrations/answer_cache.hpp"
#include "integrations/hub.hpp"
#include "integrations/huggingface/huggingface_client.hpp"
#include "integrations/huggingface/repo_id.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace llmm::hubs {

// huggingface.co, or a mirror that speaks the same protocol.
class HuggingFaceHub final : public Hub {
  public:
    struct Options {
        Url endpoint;        // HF_ENDPOINT
        SecretString token;  // HF_TOKEN; empty: anonymous
        std::chrono::milliseconds cache_lifetime =
            std::chrono::minutes(5);  // of search pages and repositories; 0: none
        std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
        std::chrono::milliseconds first_retry_delay{500};
        std::chrono::milliseconds max_retry_delay{8'000};
        std::chrono::milliseconds max_throttle_wait{30'000};  // beyond it a request fails with HUB_RATE_LIMITED
    };
    // Both must outlive the hub.
    HuggingFaceHub(Options options, HttpClient& http, const UrlGuard& guard);

    std::string_view source() const override { return "huggingface"; }
    Task<SearchPage> search(SearchQuery query) override;
    Task<std::vector<Category>> categories() override;
    Task<Repository> repository(std::string repo, std::string revision) override;
    Task<FileSource> locate(std::string repo, std::string revision, std::string path) override;

  private:
    using Subject = huggingface::Subject;

    Task<SearchPage> fetch_search(Url url);
    Task<std::vector<Category>> fetch_categories(Url url);
    Task<Repository> fetch_repository(Url url, Subject subject);
    Task<std::vector<RemoteFile>> fetch_tree(Subject subject);
    Task<std::optional<std::string>> fetch_card(Subject subject);

    Url url_of(const std::string& path) const;  // below the endpoint; the path is percent-encoded already
    Url resolve_url(const Subject& subject) const;

    Url endpoint_;
    HttpClient& http_;
    huggingface::Client client_;
    AnswerCache<SearchPage> pages_;
    AnswerCache<std::vector<Category>> categories_;
    AnswerCache<Repository> repositories_;
};

}  // namespace llmm::hubs
