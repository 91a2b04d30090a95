#include "http/server.hpp"

#include "base/async/task_group.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "http/session.hpp"

#include <algorithm>
#include <list>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm::http {

using tcp = asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {

tcp::endpoint endpoint_of(const ServerConfig& config) {
    error_code error;
    const auto address = asio::ip::make_address(config.address, error);
    if (error) {
        fail(ErrorCode::validation_failed, "\"{}\" is not an address to listen on", "“{}”不是可监听的地址",
             config.address);
    }
    return {address, config.port};
}

tcp::acceptor listen(const asio::any_io_executor& executor, const ServerConfig& config) {
    const tcp::endpoint endpoint = endpoint_of(config);
    tcp::acceptor acceptor(executor);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    error_code error;
    acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
        throw Error(ErrorCode::port_in_use,
                    Text::format("can't listen on {}:{}: {}. Choose another with LLM_MANAGER_LISTEN",
                                 "无法监听 {}:{}：{}。请用 LLM_MANAGER_LISTEN 指定其他地址", config.address,
                                 config.port, error.message()));
    }
    return acceptor;
}

std::shared_ptr<asio::ssl::context> load_tls(const ServerConfig& config) {
    if (config.tls_certificate.empty()) return nullptr;
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1);
    error_code error;
    context->use_certificate_chain_file(config.tls_certificate, error);
    if (!error) context->use_private_key_file(config.tls_key, asio::ssl::context::pem, error);
    if (error) {
        fail(ErrorCode::validation_failed, "the TLS certificate or key can't be used: {}",
             "无法使用 TLS 证书或密钥：{}", error.message());
    }
    return context;
}

}  // namespace

struct Server::Impl {
    Impl(asio::any_io_executor loop, ServerConfig settings, const Router& routes, const Middleware& chain)
        : executor(loop),
          config(std::move(settings)),
          router(routes),
          middleware(chain),
          acceptor(listen(executor, config)),
          tls(load_tls(config)),
          work(executor),
          place_free(executor) {}

    Task<> accept_loop() {
        for (;;) {
            while (connections.size() >= config.max_connections)
                co_await place_free.wait();
            error_code error;
            tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
            if (error) {  // out of descriptors: the connections that end will free some
                log::warning("accept failed", {{"error", error.message()}});
                co_await sleep_for(100ms);
                continue;
            }
            socket.set_option(tcp::no_delay(true), error);
            const SessionContext context{config, router, middleware};
            connections.push_back(tls ? make_tls_connection(std::move(socket), *tls, context)
                                      : make_connection(std::move(socket), context));
            work.spawn("connection", serve(std::prev(connections.end()), tls));
        }
    }

    // Holds the TLS context that the connection began with: a reload must not take it away.
    Task<> serve(std::list<std::unique_ptr<Connection>>::iterator place, std::shared_ptr<asio::ssl::context>) {
        try {
            co_await (*place)->run();
        } catch (const boost::system::system_error&) {
            // The peer is gone or the deadline has passed; both are ordinary ends of a connection.
        } catch (const std::exception& error) {
            log::error("connection failed", {{"error", error.what()}});
        }
        connections.erase(place);
        place_free.notify();
    }

    Task<> deadline_loop() {
        for (;;) {
            co_await sleep_for(250ms);
            const auto now = std::chrono::steady_clock::now();
            for (const auto& connection : connections) {
                if (connection->deadline < now) connection->abort();
            }
        }
    }

    asio::any_io_executor executor;
    ServerConfig config;
    const Router& router;
    const Middleware& middleware;
    tcp::acceptor acceptor;
    std::shared_ptr<asio::ssl::context> tls;
    std::list<std::unique_ptr<Connection>> connections;
    TaskGroup work;
    Signal place_free;
};

Server::Server(asio::any_io_executor executor, ServerConfig config, const Router& router, const Middleware& middleware)
    : impl_(std::make_unique<Impl>(executor, std::move(config), router, middleware)) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
    return impl_->acceptor.local_endpoint().port();
}

void Server::start() {
    impl_->work.spawn("accept", impl_->accept_loop());
    impl_->work.spawn("deadlines", impl_->deadline_loop());
}

void Server::reload_certificate() {
    impl_->tls = load_tls(impl_->config);
}

Task<> Server::stop(std::chrono::milliseconds grace) {
    error_code ignored;
    impl_->acceptor.close(ignored);
    const auto until = std::chrono::steady_clock::now() + grace;
    for (const auto& connection : impl_->connections)
        connection->finish();
    while (!impl_->connections.empty()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left <= 0ms || !co_await impl_->place_free.wait_for(left)) break;
    }
    for (const auto& connection : impl_->connections)
        connection->abort();
    co_await impl_->work.stop();
}

}  // namespace llmm::http
