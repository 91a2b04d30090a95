#pragma once
#include "base/async/task.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::http {

struct ServerConfig {
    std::string address = "127.0.0.1";  // numeric
    std::uint16_t port = 0;             // 0: any free one
    std::string tls_certificate;        // PEM chain; empty: plain HTTP
    std::string tls_key;
    std::chrono::milliseconds head_timeout{10'000};
    std::chrono::milliseconds body_timeout{60'000};
    std::chrono::milliseconds idle_timeout{75'000};   // between two requests
    std::chrono::milliseconds write_timeout{60'000};  // for one piece of a response
    std::size_t max_connections = 4096;
};

// Accepts connections and speaks HTTP/1.1 and WebSocket. Used from the event loop only.
class Server {
  public:
    // Throws PORT_IN_USE or VALIDATION_FAILED (address, certificate).
    Server(asio::any_io_executor executor, ServerConfig config, const Router& router, const Middleware& middleware);
    ~Server();

    std::uint16_t port() const;
    void start();
    // Reads certificate and key again for new connections; the old ones stay when the files are bad (throws).
    void reload_certificate();
    // No new connections; idle ones are closed, requests in work get `grace` to end, then they are cut off.
    Task<> stop(std::chrono::milliseconds grace);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace llmm::http
