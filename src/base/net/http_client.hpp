#pragma once
#include "base/async/task.hpp"
#include "base/net/url.hpp"
#include "base/net/url_guard.hpp"
#include "base/secret/secret.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace llmm {

struct HttpHeader {
    std::string name;  // as received; compare with find_header
    std::string value;
};
using HttpHeaders = std::vector<HttpHeader>;
// Case-insensitive; the first of that name.
std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
    std::string method = "GET";
    Url url;
    HttpHeaders headers = {};
    // Sent as Authorization: Bearer; never follows a redirect to another origin because redirects are the caller's.
    SecretString bearer = {};
    std::string body = {};
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds total_timeout{60'000};  // 0: none
    std::chrono::milliseconds stall_timeout{30'000};  // no byte for so long: failed
    std::size_t max_body_bytes = 16 << 20;            // of the decoded body
    std::size_t buffer_bytes = 512 << 10;             // that a sink gets at once, at most
    bool accept_gzip = false;                         // false sends Accept-Encoding: identity
};

struct HttpResponse {
    int status = 0;
    HttpHeaders headers;
    std::string body;
};

// Takes a response as it arrives. Called on the network thread, never at the same time as itself; quick or blocking on
// local disk only.
class BodySink {
  public:
    virtual ~BodySink() = default;
    // False: the response is not what was asked for; the transfer ends and `stream` returns with an empty body. Called
    // once, interim (1xx) responses left out.
    virtual bool on_head(int status, const HttpHeaders& headers) = 0;
    // False ends the transfer, and `stream` returns. What either throws leaves `stream`.
    virtual bool on_data(std::span<const std::byte> data) = 0;
    // Asked after on_data, and again when the time is over: how long nothing more shall be read from the connection.
    // What the peer sends meanwhile waits in the kernel, and then with the peer.
    virtual std::chrono::milliseconds pause() { return std::chrono::milliseconds(0); }
};

enum class HttpFailure { resolve, connect, tls, timeout, stalled, broken, too_large, blocked_address, protocol };

// The request did not end with a whole response. what() is for logs: it has no query, header or byte of a response.
class HttpError : public std::runtime_error {
  public:
    HttpError(HttpFailure failure, const std::string& what) : std::runtime_error(what), failure_(failure) {}
    HttpFailure failure() const { return failure_; }

  private:
    HttpFailure failure_;
};

// Nothing of an answer was there, and no time was spent waiting for it: somebody else may be asked the same.
inline bool was_silent(const HttpError& error) {
    return error.failure() == HttpFailure::connect || error.failure() == HttpFailure::broken;
}

// HTTP/1.1 to the internet on libcurl's multi interface: proxies, TLS with verification, keep-alive. Redirects are
// never followed here. Owns one network thread with an event loop of its own, so that fast downloads don't delay
// anybody.
class HttpClient {
  public:
    struct Options {
        std::string user_agent;
        // Proxy URLs, empty: none. no_proxy: hosts and domains ("*", "host", ".domain", "host:port"), comma separated.
        // The environment's proxy variables are not read here.
        std::string http_proxy = {}, https_proxy = {}, no_proxy = {};
        std::string ca_file = {};  // empty: the system's
    };
    HttpClient(Options options, const UrlGuard& guard);
    // What is still running ends with operation_aborted. The event loops of the callers must outlive the client.
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Both resume on the caller's executor, throw HttpError, and can be cancelled: the connection is then closed at
    // once, and boost::system::system_error(operation_aborted) comes out. Where a connection leads is asked of the
    // guard's may_connect (of its check, for a request that goes through a proxy); whether the URL may be fetched at
    // all is for the caller to check. A request with header names or values that could forge others is refused
    // (protocol).
    Task<HttpResponse> fetch(HttpRequest request);
    // The body goes to the sink, which must live until this returns (it is not touched afterwards, cancelled or not).
    Task<HttpResponse> stream(HttpRequest request, BodySink& sink);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace llmm
