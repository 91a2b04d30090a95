#pragma once
#include "base/async/task.hpp"
#include "base/net/http_client.hpp"
#include "base/net/url_guard.hpp"
#include "base/secret/secret.hpp"
#include "integrations/huggingface/huggingface_errors.hpp"
#include "integrations/huggingface/rate_limit.hpp"

#include <chrono>
#include <optional>
#include <random>
#include <string>

namespace llmm::hubs::huggingface {

// Asks the hub one question until there is an answer: waits for the rate limit, tries again after passing
// failures, follows redirects inside the hub's origin. The token goes to that origin and nowhere else.
class Client {
  public:
    struct Options {
        Url endpoint;
        SecretString token;  // empty: anonymous
        std::chrono::milliseconds request_timeout;
        std::chrono::milliseconds first_retry_delay;
        std::chrono::milliseconds max_retry_delay;
        std::chrono::milliseconds max_throttle_wait;  // in all, for one question
    };
    struct Question {
        std::string method = "GET";
        Url url;
        RequestClass request_class = RequestClass::api;
        Subject subject = {};
    };
    struct Answer {
        Url url;  // that gave the response, after redirects
        HttpResponse response;
        // Where the response redirects to when that is outside the origin. The response then is the redirect.
        std::optional<Url> elsewhere = std::nullopt;
    };

    Client(Options options, HttpClient& http, const UrlGuard& guard);

    // Throws Error for everything but success and a redirect elsewhere. With `signed_urls`, a redirect to a
    // URL that carries a signature counts as elsewhere even inside the origin.
    Task<Answer> ask(Question question, bool signed_urls = false);
    // A success of the hub itself; an Error when the hub sends elsewhere.
    Task<Answer> ask_here(Question question);

    const SecretString& token() const { return options_.token; }

  private:
    // One URL, until it gives a response that is neither 429 nor a passing failure.
    Task<HttpResponse> persist(Question question, std::chrono::milliseconds& waited);
    // Throws HUB_RATE_LIMITED rather than wait too long.
    Task<> wait_for_quota(const Question& question, std::chrono::milliseconds& waited);
    std::chrono::milliseconds retry_delay(int failures);

    Options options_;
    HttpClient& http_;
    const UrlGuard& guard_;
    RateLimits limits_;
    std::minstd_rand jitter_{std::random_device{}()};
};

}  // namespace llmm::hubs::huggingface
