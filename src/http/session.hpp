#pragma once
#include "base/async/task.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace llmm::http {

using TcpSocket = asio::ip::tcp::socket;
using TlsSocket = asio::ssl::stream<asio::ip::tcp::socket>;

// What the server needs to know of each connection: when it is overdue and how to end it. The server looks at the
// deadlines a few times a second; that is cheaper than a timer for each read.
class Connection {
  public:
    virtual ~Connection() = default;
    virtual Task<> run() = 0;
    virtual void abort() = 0;  // closes the socket: whatever waits on it fails
    // Ends after the response in work, or now when there is none.
    virtual void finish() = 0;

    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct SessionContext {
    const ServerConfig& config;
    const Router& router;
    const Middleware& middleware;
};

std::unique_ptr<Connection> make_connection(TcpSocket socket, SessionContext context);
std::unique_ptr<Connection> make_tls_connection(TcpSocket socket, asio::ssl::context& tls, SessionContext context);

}  // namespace llmm::http
