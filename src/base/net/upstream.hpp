#pragma once
#include "base/async/task.hpp"
#include "base/net/http_client.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace llmm {

// Where an engine listens.
struct UnixEndpoint {
    std::string path;
    friend bool operator==(const UnixEndpoint&, const UnixEndpoint&) = default;
};
struct TcpEndpoint {
    std::string address;  // numeric
    std::uint16_t port = 0;
    friend bool operator==(const TcpEndpoint&, const TcpEndpoint&) = default;
};
// Somewhere else: a name or an address, asked for with each new connection.
struct RemoteEndpoint {
    bool tls = false;
    std::string host;
    std::uint16_t port = 0;
    friend bool operator==(const RemoteEndpoint&, const RemoteEndpoint&) = default;
};
using Endpoint = std::variant<UnixEndpoint, TcpEndpoint, RemoteEndpoint>;
std::string to_string(const Endpoint& endpoint);  // "unix:/path", "http://127.0.0.1:8080" or "https://host:443"
// The inverse, for endpoints of this machine.
std::optional<Endpoint> parse_endpoint(const std::string& text);
// Loopback and private addresses may be engines; link-local ones, where clouds tell machines their secrets, multicast
// and "any" may not.
bool may_be_engine(const asio::ip::address& address);

struct UpstreamOptions {
    HttpHeaders headers = {};    // sent with every request, in place of its own of that name
    std::string base_path = {};  // in front of every target: "" or "/like/this"
    std::string ca_file = {};    // PEM, for TLS; empty: the system's
};

struct UpstreamRequest {
    std::string method = "GET";
    std::string target = "/";
    HttpHeaders headers = {};
    std::string body = {};
    // In place of `body`: so many bytes, asked for piece by piece (an empty one breaks the request off). Such a request
    // is never sent twice.
    std::uint64_t body_size = 0;
    std::function<Task<std::string>()> next_piece = {};
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds head_timeout{60'000};  // until the response's head is there
    std::chrono::milliseconds read_timeout{60'000};  // between two pieces of the body
    // Awaited each time the upstream has said nothing for `silence`, while its answer is waited for: the place to tell
    // somebody that it goes on. What it throws ends the request.
    std::function<Task<>()> on_silence = {};
    std::chrono::milliseconds silence{15'000};
};

// A response whose body is read piece by piece. Destroying it early, or
// cancelling who reads it, closes the connection, which is how an engine learns that nobody waits any more.
class UpstreamResponse {
  public:
    struct Impl;
    explicit UpstreamResponse(std::unique_ptr<Impl> impl);
    UpstreamResponse(UpstreamResponse&&) noexcept;
    UpstreamResponse& operator=(UpstreamResponse&&) noexcept;
    ~UpstreamResponse();

    int status() const;
    const HttpHeaders& headers() const;
    // The next bytes as they arrive (no waiting for a full buffer); nullopt at the end. Throws HttpError.
    Task<std::optional<std::string>> read_some();
    // All of it has been handed out.
    bool ended() const;
    // The rest; HttpError too_large beyond max_bytes.
    Task<std::string> read_all(std::size_t max_bytes = 64 << 20);

  private:
    std::unique_ptr<Impl> impl_;
};

// Talks HTTP/1.1 to engines on unix sockets, ports and, over TLS, elsewhere (Boost.Beast on the event loop,
// TCP_NODELAY). Keeps idle connections; when a kept one turns out to be closed before any byte of the answer, the
// request is sent once more on a new one. Headers that belong to one connection (Host, Connection, Content-Length …)
// are not taken over from the request. Used from one event loop; deadlines are met
// within Ticker::kPrecision.
class Upstream {
  public:
    explicit Upstream(Endpoint endpoint, UpstreamOptions options = {});
    ~Upstream();
    Upstream(Upstream&&) noexcept;
    Upstream& operator=(Upstream&&) noexcept;

    // Resumes when the head of the response is there. Throws HttpError. Cancelling closes the connection at
    // once.
    Task<UpstreamResponse> send(UpstreamRequest request);
    const Endpoint& endpoint() const;

  private:
    friend class UpstreamResponse;
    struct Impl;
    std::shared_ptr<Impl> impl_;  // responses give their connection back to it
};

}  // namespace llmm
