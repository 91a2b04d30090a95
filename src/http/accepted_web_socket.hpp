#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "http/framing.hpp"
#include "http/request.hpp"
#include "http/session.hpp"
#include "http/web_socket.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

namespace llmm::http {

inline constexpr std::size_t kMaxSocketMessage = 1024 * 1024;
inline constexpr std::string_view kSubprotocol = "llm-manager.v1";

// The WebSocket of a session. What it waits for counts against the connection's deadline.
template <class Stream>
class AcceptedWebSocket final : public WebSocket {
  public:
    AcceptedWebSocket(Stream& stream, Connection& connection, std::chrono::milliseconds write_timeout)
        : connection_(connection), write_timeout_(write_timeout), socket_(stream), received_(stream.get_executor()) {
        boost::beast::websocket::stream_base::timeout timeout{};
        timeout.handshake_timeout = std::chrono::seconds(10);
        timeout.idle_timeout = std::chrono::seconds(60);
        timeout.keep_alive_pings = true;
        socket_.set_option(timeout);
        socket_.read_message_max(kMaxSocketMessage);
    }

    Task<> accept(const RequestParser& parser, const Request& request) {
        const bool speaks_ours =
            request.header("Sec-WebSocket-Protocol").value_or("").find(kSubprotocol) != std::string_view::npos;
        socket_.set_option(boost::beast::websocket::stream_base::decorator(
            [speaks_ours, id = request.request_id](boost::beast::websocket::response_type& response) {
                response.set("X-Request-Id", id);
                if (speaks_ours) response.set(boost::beast::http::field::sec_websocket_protocol, kSubprotocol);
            }));
        co_await socket_.async_accept(parser.get(), asio::use_awaitable);
    }

    // Cancelling who waits here must not cancel the read itself: Beast gives a WebSocket up when that happens, and then
    // it can't say goodbye any more.
    Task<std::optional<std::string>> receive() override {
        if (!reading_ && !has_message_) {
            reading_ = true;
            socket_.async_read(buffer_, [this](boost::system::error_code error, std::size_t) {
                read_error_ = error;
                reading_ = false;
                has_message_ = true;
                received_.notify();
            });
        }
        while (reading_)
            co_await received_.wait();
        has_message_ = false;
        if (read_error_ == boost::beast::websocket::error::closed) co_return std::nullopt;
        if (read_error_) throw boost::system::system_error(read_error_);
        std::string text = boost::beast::buffers_to_string(buffer_.data());
        buffer_.consume(buffer_.size());
        co_return text;
    }

    // Cuts the connection. The read may still be under way; nothing may be destroyed before it has ended.
    Task<> end() {
        connection_.abort();
        while (reading_)
            co_await received_.wait();
    }

    Task<> send(std::string_view text) override {
        socket_.text(true);
        set_deadline(write_timeout_);
        co_await socket_.async_write(asio::buffer(text.data(), text.size()), asio::use_awaitable);
        connection_.deadline = Clock::time_point::max();
    }

    Task<> close(std::uint16_t code, std::string_view reason) override {
        set_deadline(std::chrono::seconds(5));
        boost::system::error_code ignored;
        boost::beast::websocket::close_reason why(code);
        const std::string_view shown = reason.substr(0, 100);  // RFC 6455 5.5: a control frame carries 125 bytes
        why.reason.assign(shown.data(), shown.size());
        co_await socket_.async_close(why, asio::redirect_error(asio::use_awaitable, ignored));
    }

  private:
    using Clock = std::chrono::steady_clock;
    void set_deadline(std::chrono::milliseconds time) { connection_.deadline = Clock::now() + time; }

    Connection& connection_;
    const std::chrono::milliseconds write_timeout_;
    boost::beast::websocket::stream<Stream&> socket_;
    boost::beast::flat_buffer buffer_;
    boost::system::error_code read_error_;
    bool reading_ = false, has_message_ = false;
    Signal received_;
};

}  // namespace llmm::http
