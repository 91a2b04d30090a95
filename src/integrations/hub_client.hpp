#pragma once
#include "base/async/task.hpp"
#include "base/error/error.hpp"
#include "base/net/http_client.hpp"
#include "base/net/url_guard.hpp"
#include "base/secret/secret.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace llmm::hubs {

// Asks a server that offers models one question until there is an answer: tries again after passing failures, follows
// redirects that the guard allows. A token goes to the origin of the question and nowhere else. (HuggingFace, with its
// windows of requests and codes of errors, has a client of its own.)
class HubClient {
  public:
    struct Options {
        Text setting;  // what an operator could change: "set MODELSCOPE_ENDPOINT to …"
        std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
        std::chrono::milliseconds first_retry_delay{300};  // doubles
        int tries = 3;
    };
    struct Question {
        std::string method = "GET";
        Url url;
        HttpHeaders headers = {};
        SecretString bearer = {};
        std::size_t max_body_bytes = 8 << 20;
    };
    struct Answer {
        Url url;  // that gave the response, after redirects
        HttpResponse response;
        // ask_head(): where the response redirects to when that is another origin. The response then is the redirect.
        std::optional<Url> elsewhere = std::nullopt;
    };

    HubClient(Options options, HttpClient& http, const UrlGuard& guard);

    // Throws HUB_UNREACHABLE (also for 5xx), HUB_RATE_LIMITED, HUB_BAD_RESPONSE (a redirect to nowhere or in a circle,
    // a body too large), URL_FORBIDDEN. Any other status is for the caller to judge.
    Task<Answer> ask(Question question) { return ask(std::move(question), false); }
    // As ask(), but reads no body and stops at a redirect to another origin.
    Task<Answer> ask_head(Question question) { return ask(std::move(question), true); }

  private:
    Task<Answer> ask(Question question, bool head_only);
    Task<HttpResponse> persist(Question question, bool head_only);
    Error failure_of(const Url& url, const HttpError& error) const;

    Options options_;
    HttpClient& http_;
    const UrlGuard& guard_;
};

// The total in a Content-Range ("bytes 0-0/1234"), or the Content-Length of a whole answer; nullopt when neither says.
std::optional<std::uint64_t> size_of(const HttpResponse& response);
// Why no answer came, to be put in brackets behind "can't be reached".
Text reason_of(HttpFailure failure);
// Up to 300 bytes of a server's words as one line of ASCII.
std::string one_line(std::string_view text);

}  // namespace llmm::hubs
