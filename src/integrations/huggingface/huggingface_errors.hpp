#pragma once
#include "base/error/error.hpp"
#include "base/net/http_client.hpp"
#include "base/time/time.hpp"

#include <string>
#include <string_view>

namespace llmm::hubs::huggingface {

// What a request was about, for the words of its failure. Empty: not about one.
struct Subject {
    std::string repo;
    std::string revision;
    std::string path;
};

// A question without a usable answer: where it went and whether a token went with it.
struct Asked {
    const Url& url;
    const Subject& subject;
    bool with_token = false;
};

// For any status but success.
Error refusal(const Asked& asked, const HttpResponse& response, TimePoint now);
// For a request without a whole response.
Error network_failure(const Url& url, const HttpError& error);
Error rate_limited(const Url& url, std::chrono::milliseconds wait);

// Failures that another try may cure.
bool is_transient(int status);
bool is_transient(HttpFailure failure);

// What only operators see of a response: where it came from and the hub's id of the request.
std::string log_note(const Url& url, const HttpResponse& response);

}  // namespace llmm::hubs::huggingface
