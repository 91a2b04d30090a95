#include "http/session.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/log/log.hpp"
#include "http/accepted_web_socket.hpp"
#include "http/compression.hpp"
#include "http/envelope.hpp"
#include "http/framing.hpp"
#include "http/head_check.hpp"
#include "http/incoming.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <fmt/format.h>

namespace llmm::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Parser = RequestParser;

constexpr std::size_t kBodyRead = 64 * 1024;  // at once, of a body that is large
constexpr std::size_t kMaxChunkHead = 16 * 1024;
constexpr std::size_t kMaxPipelined = 64 * 1024;  // taken in while a handler works
constexpr std::size_t kMaxLingering = 1024 * 1024;
constexpr int kClientClosed = 499;  // as nginx logs it: the client left before the answer

void abort_socket(TcpSocket& socket) {
    error_code ignored;
    socket.close(ignored);
}
TcpSocket& tcp_of(TcpSocket& stream) {
    return stream;
}
TcpSocket& tcp_of(TlsSocket& stream) {
    return stream.next_layer();
}

template <class Stream>
class Session final : public Connection {
  public:
    Session(Stream stream, SessionContext context) : stream_(std::move(stream)), context_(context) {
        error_code error;
        remote_ = tcp_of(stream_).remote_endpoint(error).address().to_string();
    }

    Task<> run() override {
        std::exception_ptr failure;
        try {
            co_await converse();
        } catch (...) {
            failure = std::current_exception();
        }
        if (incoming_.is_reading()) {
            abort();
            co_await incoming_.settle();
        }
        if (failure) std::rethrow_exception(failure);
    }

    void abort() override { abort_socket(tcp_of(stream_)); }
    void finish() override {
        finishing_ = true;
        if (idle_) abort();
        if (going_away_) going_away_->notify();
    }

  private:
    class Writer;
    class Reply;

    Task<> converse() {
        if constexpr (std::is_same_v<Stream, TlsSocket>) {
            set_deadline(context_.config.head_timeout);
            co_await stream_.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
        }
        while (!finishing_ && co_await serve_one()) {
        }
        // A close_notify needs the stream for itself.
        if constexpr (std::is_same_v<Stream, TlsSocket>) {
            if (!incoming_.is_reading()) {
                set_deadline(std::chrono::seconds(1));
                error_code ignored;
                co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
            }
        }
        co_await linger();
    }

    void set_deadline(std::chrono::milliseconds time) { deadline = Clock::now() + time; }
    void no_deadline() { deadline = Clock::time_point::max(); }

    // Closing a socket with unread input resets it, and a reset can overtake the last response on its way.
    Task<> linger() {
        error_code error;
        tcp_of(stream_).shutdown(TcpSocket::shutdown_send, error);
        if (error || std::is_same_v<Stream, TlsSocket>) co_return;
        set_deadline(std::chrono::seconds(1));
        for (std::size_t total = 0; total < kMaxLingering; total += incoming_.buffer().size()) {
            incoming_.buffer().clear();
            if (!co_await incoming_.more()) co_return;
        }
    }

    // One request and its response. False: the connection ends.
    Task<bool> serve_one() {
        set_deadline(context_.config.idle_timeout);
        idle_ = buffer_.empty();
        incoming_.unwatch();
        Request request;
        request.remote = remote_;
        started_ = Clock::now();
        // A co_await can't stand in a catch block: the failure is carried out of it.
        std::exception_ptr failure;
        bool alive = true;
        Parser parser;
        try {
            alive = co_await read_head(parser);
        } catch (...) {
            failure = std::current_exception();
        }
        idle_ = false;
        if (!alive && !failure) co_return false;
        if (failure) {
            request.request_id = Middleware::request_id(request);
            co_return co_await answer(request, error_response(request, failure), false);
        }
        co_return co_await handle(parser, request);
    }

    Task<bool> read_head(Parser& parser) {
        HeadScan scan;
        while ((scan = scan_head(buffer_)).state == HeadState::incomplete) {
            if (!buffer_.empty() && idle_) {
                idle_ = false;
                started_ = Clock::now();
                set_deadline(context_.config.head_timeout);
            }
            if (!co_await incoming_.more()) co_return false;
        }
        parser.eager(false);
        parser.header_limit(kMaxHead + 1024);
        parser.body_limit(boost::none);
        error_code error;
        parser.put(asio::buffer(buffer_.data(), scan.size), error);
        if (error || !parser.is_header_done()) {
            fail(ErrorCode::malformed_request, "the request is malformed: {}", "请求格式错误：{}", error.message());
        }
        buffer_.erase(0, scan.size);
        co_return true;
    }

    Task<bool> handle(Parser& parser, Request& request) {
        std::exception_ptr failure;
        Response response;
        Router::Match match;
        bool framed = false;  // it is certain where the next request begins
        allow_.clear();
        try {
            read_fields(parser, request);
            check_framing(parser);
            framed = true;
            match = admit(parser, request);
            co_await read_body(parser, match.route ? match.route->body_limit : kSmallBody);
            request.body = std::move(parser.get().body());
        } catch (const boost::system::system_error&) {
            throw;
        } catch (...) {
            failure = std::current_exception();
        }
        const bool keep = framed && parser.is_done() && parser.get().keep_alive();
        if (failure) {
            response = error_response(request, failure);
            if (!allow_.empty()) response.headers.push_back({"Allow", allow_});
            co_return co_await answer(request, std::move(response), keep);
        }
        if (match.route && match.route->exchange_handler) co_return co_await exchange(*match.route, request, keep);
        if (match.route && match.route->socket_handler) co_return co_await upgrade(parser, request, *match.route);
        if (request.method == Method::options && !match.route) {
            co_return co_await answer(request, context_.middleware.answer_options(request, match), keep);
        }
        std::optional<Response> made = co_await call(*match.route, request);
        if (!made) {  // the client left
            context_.middleware.log_access(request, kClientClosed, 0, elapsed_ms());
            co_return false;
        }
        co_return co_await answer(request, std::move(*made), keep, match.route->cancel_when_client_leaves);
    }

    void read_fields(const Parser& parser, Request& request) {
        const auto& message = parser.get();
        request.target = std::string(message.target());
        for (const auto& field : message) {
            request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
        }
        request.request_id = Middleware::request_id(request);
        request.language = preferred_language(request.header("Accept-Language").value_or(""));
    }

    Router::Match admit(const Parser& parser, Request& request) {
        const auto method = parse_method(std::string_view(parser.get().method_string()));
        Target target = parse_target(request.target);
        request.path = std::move(target.path);
        request.query = std::move(target.query);
        Router::Match match = context_.router.find(method.value_or(Method::options), request.path);
        request.method = method.value_or(Method::get);
        request.parameters = match.parameters;
        context_.middleware.admit(request, match.route);
        if (!match.route && match.allowed.empty()) {
            throw Error(ErrorCode::not_found, Text{"there is nothing at this path", "该路径不存在"});
        }
        if (!method || (!match.route && *method != Method::options)) {
            std::string names;
            for (const Method allowed : match.allowed)
                names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(allowed));
            allow_ = names;
            throw Error(ErrorCode::method_not_allowed, Text::format("this path takes {}", "该路径支持 {}", names),
                        {{"allowed", names}});
        }
        return match;
    }

    Task<> read_body(Parser& parser, std::size_t limit) {
        const auto announced = parser.content_length();
        if (announced && *announced > limit) too_large(limit);
        if (parser.is_done()) co_return;
        parser.body_limit(limit);
        if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue") && buffer_.empty()) {
            set_deadline(context_.config.write_timeout);
            co_await asio::async_write(stream_, asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")),
                                       asio::use_awaitable);
        }
        set_deadline(context_.config.body_timeout);
        parser.eager(true);
        const std::size_t piece = announced.value_or(kBodyRead) < kBodyRead / 4 ? kBodyRead / 16 : kBodyRead;
        if (announced) parser.get().body().reserve(static_cast<std::size_t>(*announced));
        while (!parser.is_done()) {
            if (!buffer_.empty()) {
                error_code error;
                const std::size_t used = parser.put(asio::buffer(buffer_), error);
                buffer_.erase(0, used);
                if (error == beast::http::error::body_limit) too_large(limit);
                if (error && error != beast::http::error::need_more) {
                    fail(ErrorCode::malformed_request, "the body is malformed: {}", "请求体格式错误：{}",
                         error.message());
                }
                if (parser.get().body().size() > limit) too_large(limit);
                if (parser.is_done()) break;
                if (buffer_.size() > kMaxChunkHead) {
                    fail(ErrorCode::malformed_request, "the body is malformed: a chunk header is too long",
                         "请求体格式错误：分块头过长");
                }
            }
            if (!co_await incoming_.more(piece)) throw boost::system::system_error(asio::error::eof);
        }
    }

    [[noreturn]] static void too_large(std::size_t limit) {
        throw Error(ErrorCode::payload_too_large,
                    Text::format("the body has more than {} bytes", "请求体超过 {} 字节", limit),
                    {{"max_bytes", static_cast<std::int64_t>(limit)}});
    }

    // Runs the work until its end, or until the client has closed the connection: then it is cancelled. False: the
    // client is gone.
    Task<bool> unless_client_leaves(Task<> work) {
        asio::cancellation_signal leaving;
        bool gone = false;
        const auto leave = [&leaving, &gone] {
            gone = true;
            leaving.emit(asio::cancellation_type::terminal);
        };
        incoming_.watch(leave, kMaxPipelined);
        std::exception_ptr failure;
        try {
            co_await asio::co_spawn(stream_.get_executor(), std::move(work),
                                    asio::bind_cancellation_slot(leaving.slot(), asio::use_awaitable));
        } catch (...) {
            failure = std::current_exception();
        }
        incoming_.unwatch();
        if (gone) co_return false;
        if (failure) std::rethrow_exception(failure);
        co_return true;
    }

    // nullopt: the client closed the connection and nobody waits for the answer.
    Task<std::optional<Response>> call(const Route& route, const Request& request) {
        no_deadline();
        std::exception_ptr failure;
        try {
            if (!route.cancel_when_client_leaves) co_return co_await route.handler(request);
            std::optional<Response> response;
            if (!co_await unless_client_leaves(assign(route.handler(request), response))) response.reset();
            co_return response;
        } catch (const boost::system::system_error& error) {
            if (error.code() == asio::error::operation_aborted) throw;
            failure = std::current_exception();
        } catch (...) {
            failure = std::current_exception();
        }
        co_return error_response(request, failure);
    }

    Task<bool> exchange(const Route& route, Request& request, bool keep);
    Task<> write_whole(const Request& request, Response& response, bool keep);

    double elapsed_ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - started_).count(); }

    Task<bool> answer(const Request& request, Response response, bool keep, bool watch = false) {
        keep = keep && !finishing_;
        context_.middleware.decorate(request, response);
        if (response.stream) co_return co_await answer_stream(request, std::move(response), keep, watch);
        co_await write_whole(request, response, keep);
        context_.middleware.log_access(request, response.status, response.body.size(), elapsed_ms());
        co_return keep;
    }

    Task<bool> answer_stream(const Request& request, Response response, bool keep, bool watch);
    Task<bool> upgrade(Parser& parser, const Request& request, const Route& route);

    Stream stream_;
    SessionContext context_;
    std::string remote_;
    Incoming<Stream> incoming_{stream_};
    std::string& buffer_ = incoming_.buffer();
    std::string allow_;  // methods of the path, when the request had another
    Clock::time_point started_{};
    bool idle_ = false;
    bool finishing_ = false;
    std::shared_ptr<Signal> going_away_;  // while a WebSocket is open
};

template <class Stream>
Task<> Session<Stream>::write_whole(const Request& request, Response& response, bool keep) {
    negotiate(request, response);
    const bool bodiless = response.status == 304 || response.status == 204;
    std::string head = response_head(response, keep, bodiless ? std::nullopt : std::optional(response.body.size()));
    head += "\r\n";
    set_deadline(context_.config.write_timeout);
    if (request.method == Method::head || bodiless) {
        co_await asio::async_write(stream_, asio::buffer(head), asio::use_awaitable);
    } else {
        const std::array buffers{asio::buffer(std::as_const(head)), asio::buffer(std::as_const(response.body))};
        co_await asio::async_write(stream_, buffers, asio::use_awaitable);
    }
}

// The body of a stream, chunked. The head goes out with the first piece, or by itself.
template <class Stream>
class Session<Stream>::Writer final : public BodyWriter {
  public:
    Writer(Session& session, std::string head) : session_(session), head_(std::move(head)) {}

    Task<> write(std::string_view data) override {
        if (!data.empty()) co_await send(data, false);  // an empty chunk would end the body
    }
    Task<> write_head() {
        session_.set_deadline(session_.context_.config.write_timeout);
        co_await asio::async_write(session_.stream_, asio::buffer(head_), asio::use_awaitable);
        head_.clear();
        session_.no_deadline();
    }
    Task<> finish(std::string_view data) { co_await send(data, true); }
    std::uint64_t written() const { return written_; }

  private:
    Task<> send(std::string_view data, bool last) {
        const ChunkHead size(data.size());
        std::array<asio::const_buffer, 4> buffers;
        std::size_t count = 0;
        const auto add = [&](std::string_view text) { buffers[count++] = asio::buffer(text.data(), text.size()); };
        if (!head_.empty()) add(head_);
        if (!data.empty()) {
            add(size.text());
            add(data);
        }
        if (last) {
            add(data.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
        } else {
            add("\r\n");
        }
        session_.set_deadline(session_.context_.config.write_timeout);
        co_await asio::async_write(session_.stream_, std::span<const asio::const_buffer>(buffers.data(), count),
                                   asio::use_awaitable);
        session_.no_deadline();
        head_.clear();
        written_ += data.size();
    }

    Session& session_;
    std::string head_;
    std::uint64_t written_ = 0;
};

template <class Stream>
Task<bool> Session<Stream>::answer_stream(const Request& request, Response response, bool keep, bool watch) {
    response.headers.push_back({"Transfer-Encoding", "chunked"});
    Writer writer(*this, response_head(response, keep, std::nullopt) + "\r\n");
    co_await writer.write_head();
    bool complete = true;
    try {
        if (watch) {
            complete = co_await unless_client_leaves(response.stream(writer));
        } else {
            co_await response.stream(writer);
        }
    } catch (const std::exception& error) {
        // The status is already sent. An end without the last chunk tells the client that the body is cut.
        log::debug("stream ended early", {{"request_id", request.request_id}, {"error", error.what()}});
        complete = false;
    }
    if (complete) co_await writer.finish({});
    context_.middleware.log_access(request, response.status, writer.written(), elapsed_ms());
    if (!complete) abort();
    co_return complete&& keep;
}

template <class Stream>
class Session<Stream>::Reply final : public Exchange {
  public:
    Reply(Session& session, const Request& request, bool keep) : session_(session), request_(request), keep_(keep) {}

    bool begun() const override { return begun_; }
    Task<> send(Response response) override {
        begun_ = true;
        status_ = response.status;
        session_.context_.middleware.decorate(request_, response);
        co_await session_.write_whole(request_, response, keep_);
        written_ = response.body.size();
        complete_ = true;
    }
    void begin(Response head) override {
        begun_ = true;
        status_ = head.status;
        session_.context_.middleware.decorate(request_, head);
        head.headers.push_back({"Transfer-Encoding", "chunked"});
        writer_.emplace(session_, response_head(head, keep_, std::nullopt) + "\r\n");
    }
    Task<> write(std::string_view piece) override { return writer_.value().write(piece); }
    Task<> finish(std::string_view piece) override {
        co_await writer_.value().finish(piece);
        complete_ = true;
    }

    bool complete() const { return complete_; }
    int status() const { return status_; }
    std::uint64_t written() const { return writer_ ? writer_->written() : written_; }

  private:
    Session& session_;
    const Request& request_;
    const bool keep_;
    bool begun_ = false, complete_ = false;
    int status_ = kClientClosed;
    std::uint64_t written_ = 0;
    std::optional<Writer> writer_;
};

template <class Stream>
Task<bool> Session<Stream>::exchange(const Route& route, Request& request, bool keep) {
    keep = keep && !finishing_;
    no_deadline();
    Reply reply(*this, request, keep);
    std::exception_ptr failure;
    bool here = true;
    try {
        here = co_await unless_client_leaves(route.exchange_handler(request, reply));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure && here && !reply.begun()) co_return co_await answer(request, error_response(request, failure), keep);
    context_.middleware.log_access(request, here || reply.complete() ? reply.status() : kClientClosed, reply.written(),
                                   elapsed_ms());
    if (!reply.complete()) abort();
    co_return reply.complete() && keep;
}

template <class Stream>
Task<bool> Session<Stream>::upgrade(Parser& parser, const Request& request, const Route& route) {
    // RFC 6455 4.1: the key is 16 bytes in base64.
    const bool has_key = parser.get()[beast::http::field::sec_websocket_key].size() == 24;
    if (!beast::websocket::is_upgrade(parser.get()) || !has_key || !buffer_.empty()) {
        Response response = error_response(
            request, Error(ErrorCode::upgrade_required, Text{"this path is a WebSocket: connect with an upgrade",
                                                             "该路径为 WebSocket，请使用升级请求连接"}));
        response.headers.push_back({"Upgrade", "websocket"});
        co_return co_await answer(request, std::move(response), false);
    }
    no_deadline();
    if (route.before_upgrade) {
        std::exception_ptr refusal;
        try {
            co_await route.before_upgrade(request);
        } catch (const boost::system::system_error&) {
            throw;
        } catch (...) {
            refusal = std::current_exception();
        }
        if (refusal) co_return co_await answer(request, error_response(request, refusal), false);
    }
    AcceptedWebSocket<Stream> socket(stream_, *this, context_.config.write_timeout);
    co_await socket.accept(parser, request);
    going_away_ = std::make_shared<Signal>(co_await asio::this_coro::executor);
    std::uint16_t code = kCloseNormal;
    std::string reason;
    std::exception_ptr gone;
    try {
        if (co_await race(route.socket_handler(request, socket), going_away_->wait()) == 1) {
            code = kCloseGoingAway;
            reason = "the service is stopping";
        }
    } catch (const Error& error) {
        code = kind_of(error.code()) == ErrorKind::unavailable ? kCloseTryAgain : kClosePolicy;
        reason = fmt::format("{}: {}", name_of(error.code()), error.message().en);
    } catch (...) {
        gone = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (!gone) co_await socket.close(code, reason);
    co_await socket.end();
    if (gone) std::rethrow_exception(gone);
    context_.middleware.log_access(request, 101, 0, elapsed_ms());
    co_return false;
}

}  // namespace

std::unique_ptr<Connection> make_connection(TcpSocket socket, SessionContext context) {
    return std::make_unique<Session<TcpSocket>>(std::move(socket), context);
}

std::unique_ptr<Connection> make_tls_connection(TcpSocket socket, asio::ssl::context& tls, SessionContext context) {
    return std::make_unique<Session<TlsSocket>>(TlsSocket(std::move(socket), tls), context);
}

}  // namespace llmm::http
