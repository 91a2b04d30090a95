#pragma once
#include "app/cli/event_stream.hpp"
#include "base/json/json.hpp"

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

namespace llmm::app::cli {

struct ApiRequest {
    std::string method = "GET";
    std::string path = {};  // with its query
    std::optional<json::object> body = {};
    bool waits_long = false;  // an answer that takes as long as a model needs
};

// The service as the commands see it. Every call throws ApiError, Unreachable or Interrupted.
class Api {
  public:
    virtual ~Api() = default;
    // `data` of the answer's envelope.
    virtual json::value send(const ApiRequest& request) = 0;
    // The whole answer whatever its status, of paths that have no envelope.
    virtual json::value read(const std::string& path) = 0;
    // Until the stream ends, on_event answers false, or Ctrl-C.
    virtual void stream(const ApiRequest& request, const std::function<bool(const ServerEvent&)>& on_event) = 0;
    virtual const std::string& url() const = 0;
};

// The service refused or failed; `message` is its own, in the user's language.
class ApiError : public std::exception {
  public:
    ApiError(int status, std::string code, std::string message, json::object details)
        : status_(status), code_(std::move(code)), message_(std::move(message)), details_(std::move(details)) {}

    int status() const { return status_; }
    const std::string& code() const { return code_; }
    const std::string& message() const { return message_; }
    const json::object& details() const { return details_; }
    const char* what() const noexcept override { return message_.c_str(); }

  private:
    int status_;
    std::string code_, message_;
    json::object details_;
};

// Nothing, or nothing that speaks our API, answers at the URL.
class Unreachable : public std::exception {
  public:
    Unreachable(std::string url, std::string reason) : url_(std::move(url)), reason_(std::move(reason)) {}

    const std::string& url() const { return url_; }
    const std::string& reason() const { return reason_; }
    const char* what() const noexcept override { return reason_.c_str(); }

  private:
    std::string url_, reason_;
};

using Query = std::vector<std::pair<std::string_view, std::string>>;

// "/api/v1" + path, each segment encoded, with the parameters that have a value.
std::string api_path(const std::vector<std::string>& segments, const Query& query = {});
json::object get(Api& api, const std::vector<std::string>& segments, const Query& query = {});
json::object post(Api& api, const std::vector<std::string>& segments, std::optional<json::object> body = std::nullopt);
json::object remove(Api& api, const std::vector<std::string>& segments);
// The items of every page, at most `most` of them when it is not 0.
std::vector<json::object> list(Api& api, const std::vector<std::string>& segments, Query query = {},
                               std::size_t most = 0);

}  // namespace llmm::app::cli
