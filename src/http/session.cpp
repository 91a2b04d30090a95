#include "http/session.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/log/log.hpp"
#include "http/compression.hpp"
#include "http/envelope.hpp"
#include "http/head_check.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <fmt/format.h>

namespace llmm::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Parser = beast::http::request_parser<beast::http::string_body>;

constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::size_t kMinCompressed = 1024;      // the contract's: responses over 1 KiB
constexpr std::size_t kMaxPipelined = 64 * 1024;  // taken in while a handler works
constexpr std::size_t kMaxSocketMessage = 1024 * 1024;
constexpr std::string_view kSubprotocol = "llm-manager.v1";

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

// "Date" with a precision of one second, formatted once a second.
const std::string& http_date() {
    thread_local std::time_t last = 0;
    thread_local std::string text;
    const std::time_t now = std::time(nullptr);
    if (now != last) {
        last = now;
        std::tm parts{};
        gmtime_r(&now, &parts);
        char buffer[40];
        text.assign(buffer, std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    }
    return text;
}

bool is_header_text(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

std::string response_head(const Response& response, bool keep_alive, std::optional<std::size_t> content_length) {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nConnection: {}\r\n", response.status,
                                   reason_phrase(response.status), http_date(), keep_alive ? "keep-alive" : "close");
    for (const HttpHeader& header : response.headers) {
        if (!is_header_text(header.value)) continue;  // nothing from outside may add a line of its own
        fmt::format_to(std::back_inserter(head), "{}: {}\r\n", header.name, header.value);
    }
    if (!response.etag.empty()) fmt::format_to(std::back_inserter(head), "ETag: {}\r\n", response.etag);
    if (content_length) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", *content_length);
    return head;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
    return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

// What the parser left undecided: RFC 9112 6.1 lets a server refuse what it could also repair.
void check_framing(const Parser& parser) {
    const auto& message = parser.get();
    const auto lengths = message.count(beast::http::field::content_length);
    const auto encodings = message.count(beast::http::field::transfer_encoding);
    if (lengths + encodings > 1) {
        fail(ErrorCode::malformed_request, "the body's length is given more than once", "请求体长度被多次声明");
    }
    const auto length = message[beast::http::field::content_length];
    if (lengths == 1 && (length.empty() || length.find_first_not_of("0123456789") != std::string_view::npos)) {
        fail(ErrorCode::malformed_request, "the body's length is not a number", "请求体长度不是数字");
    }
    if (encodings == 1 && !beast::iequals(message[beast::http::field::transfer_encoding], "chunked")) {
        fail(ErrorCode::malformed_request, "only the transfer encoding \"chunked\" is understood",
             "仅支持 chunked 传输编码");
    }
    if (message.version() != 11 && message.version() != 10) {
        fail(ErrorCode::malformed_request, "only HTTP/1.0 and HTTP/1.1 are understood", "仅支持 HTTP/1.0 与 HTTP/1.1");
    }
    if (message.version() == 10 && encodings > 0) {
        fail(ErrorCode::malformed_request, "HTTP/1.0 has no transfer encodings", "HTTP/1.0 不支持传输编码");
    }
    const auto hosts = message.count(beast::http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
        fail(ErrorCode::malformed_request, "exactly one Host header is needed", "必须且只能有一个 Host 请求头");
    }
}

template <class Stream>
class Session final : public Connection {
  public:
    Session(Stream stream, SessionContext context) : stream_(std::move(stream)), context_(context) {
        error_code error;
        remote_ = tcp_of(stream_).remote_endpoint(error).address().to_string();
    }

    Task<> run() override {
        if constexpr (std::is_same_v<Stream, TlsSocket>) {
            set_deadline(context_.config.head_timeout);
            co_await stream_.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
        }
        while (!finishing_ && co_await serve_one()) {
        }
        if constexpr (std::is_same_v<Stream, TlsSocket>) {
            set_deadline(std::chrono::seconds(1));
            error_code ignored;
            co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
        }
        co_await linger();
    }

    void abort() override { abort_socket(tcp_of(stream_)); }
    void finish() override {
        finishing_ = true;
        if (idle_) abort();
        if (going_away_) going_away_->notify();
    }

  private:
    class Writer;
    class Socket;

    void set_deadline(std::chrono::milliseconds time) { deadline = Clock::now() + time; }
    void no_deadline() { deadline = Clock::time_point::max(); }

    // Closing a socket with unread input resets it, and a reset can overtake the last response on its way.
    Task<> linger() {
        error_code error;
        tcp_of(stream_).shutdown(TcpSocket::shutdown_send, error);
        if (error) co_return;
        set_deadline(std::chrono::seconds(1));
        std::array<char, 4096> rest;
        for (std::size_t total = 0; total < 1024 * 1024;) {
            const auto n = co_await tcp_of(stream_).async_read_some(asio::buffer(rest),
                                                                    asio::redirect_error(asio::use_awaitable, error));
            if (error) co_return;
            total += n;
        }
    }

    Task<bool> read_more() {
        const std::size_t old = buffer_.size();
        buffer_.resize(old + kReadSize);
        error_code error;
        const std::size_t n = co_await stream_.async_read_some(asio::buffer(buffer_.data() + old, kReadSize),
                                                               asio::redirect_error(asio::use_awaitable, error));
        buffer_.resize(old + n);
        co_return !error;
    }

    // One request and its response. False: the connection ends.
    Task<bool> serve_one() {
        set_deadline(context_.config.idle_timeout);
        idle_ = buffer_.empty();
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
            if (!co_await read_more()) co_return false;
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
        if (match.route && match.route->socket_handler) co_return co_await upgrade(parser, request, *match.route);
        if (request.method == Method::options && !match.route) {
            co_return co_await answer(request, context_.middleware.answer_options(request, match), keep);
        }
        std::optional<Response> made = co_await call(*match.route, request);
        if (!made) {  // the client left
            context_.middleware.log_access(request, 499, 0, elapsed_ms());
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
                if (buffer_.size() > kReadSize) {
                    fail(ErrorCode::malformed_request, "the body is malformed: a chunk header is too long",
                         "请求体格式错误：分块头过长");
                }
            }
            if (!co_await read_more()) throw boost::system::system_error(asio::error::eof);
        }
    }

    [[noreturn]] static void too_large(std::size_t limit) {
        throw Error(ErrorCode::payload_too_large,
                    Text::format("the body has more than {} bytes", "请求体超过 {} 字节", limit),
                    {{"max_bytes", static_cast<std::int64_t>(limit)}});
    }

    // nullopt: the client closed the connection and nobody waits for the answer.
    Task<std::optional<Response>> call(const Route& route, const Request& request) {
        no_deadline();
        std::exception_ptr failure;
        try {
            if (!route.cancel_when_client_leaves) co_return co_await route.handler(request);
            std::optional<Response> response;
            co_await race(assign(route.handler(request), response), client_gone());
            co_return response;
        } catch (const boost::system::system_error& error) {
            if (error.code() == asio::error::operation_aborted) throw;
            failure = std::current_exception();
        } catch (...) {
            failure = std::current_exception();
        }
        co_return error_response(request, failure);
    }

    // Resumes when the peer has closed its side. Input that arrives meanwhile (pipelining) is kept for later.
    Task<> client_gone() {
        while (buffer_.size() < kMaxPipelined) {
            if (!co_await read_more()) co_return;
        }
        Signal never(co_await asio::this_coro::executor);
        co_await never.wait();
    }

    double elapsed_ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - started_).count(); }

    Task<bool> answer(const Request& request, Response response, bool keep, bool watch = false) {
        keep = keep && !finishing_;
        context_.middleware.decorate(request, response);
        if (response.stream) co_return co_await answer_stream(request, std::move(response), keep, watch);

        const auto if_none_match = request.header("If-None-Match");
        if (!response.etag.empty() && response.status == 200 && if_none_match &&
            matches_etag(*if_none_match, response.etag)) {
            response.status = 304;
            response.body.clear();
        }
        if (response.body.size() > kMinCompressed) {
            response.headers.push_back({"Vary", "Accept-Encoding"});
            const auto type = find_header(response.headers, "Content-Type").value_or("");
            const bool compressible = type.starts_with("application/json") || type.starts_with("text/") ||
                                      type.starts_with("application/javascript");
            if (compressible && !find_header(response.headers, "Content-Encoding") &&
                accepts_gzip(request.header("Accept-Encoding").value_or(""))) {
                response.body = gzip(response.body);
                response.headers.push_back({"Content-Encoding", "gzip"});
            }
        }
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
        context_.middleware.log_access(request, response.status, response.body.size(), elapsed_ms());
        co_return keep;
    }

    Task<bool> answer_stream(const Request& request, Response response, bool keep, bool watch);
    Task<bool> upgrade(Parser& parser, const Request& request, const Route& route);

    Stream stream_;
    SessionContext context_;
    std::string remote_;
    std::string buffer_;  // received and not yet used
    std::string allow_;   // methods of the path, when the request had another
    Clock::time_point started_{};
    bool idle_ = false;
    bool finishing_ = false;
    std::shared_ptr<Signal> going_away_;  // while a WebSocket is open
};

// The body of a stream, chunked.
template <class Stream>
class Session<Stream>::Writer final : public BodyWriter {
  public:
    explicit Writer(Session& session) : session_(session) {}

    Task<> write(std::string_view data) override {
        if (data.empty()) co_return;  // an empty chunk would end the body
        const std::string size = fmt::format("{:x}\r\n", data.size());
        const std::array buffers{asio::buffer(size), asio::buffer(data.data(), data.size()),
                                 asio::buffer(std::string_view("\r\n"))};
        session_.set_deadline(session_.context_.config.write_timeout);
        co_await asio::async_write(session_.stream_, buffers, asio::use_awaitable);
        session_.no_deadline();
        written_ += data.size();
    }
    std::uint64_t written() const { return written_; }

  private:
    Session& session_;
    std::uint64_t written_ = 0;
};

template <class Stream>
Task<bool> Session<Stream>::answer_stream(const Request& request, Response response, bool keep, bool watch) {
    response.headers.push_back({"Transfer-Encoding", "chunked"});
    const std::string head = response_head(response, keep, std::nullopt) + "\r\n";
    set_deadline(context_.config.write_timeout);
    co_await asio::async_write(stream_, asio::buffer(head), asio::use_awaitable);
    no_deadline();
    Writer writer(*this);
    bool complete = true;
    try {
        if (watch) {
            complete = co_await race(response.stream(writer), client_gone()) == 0;
        } else {
            co_await response.stream(writer);
        }
    } catch (const std::exception& error) {
        // The status is already sent. An end without the last chunk tells the client that the body is cut.
        log::debug("stream ended early", {{"request_id", request.request_id}, {"error", error.what()}});
        complete = false;
    }
    if (complete) {
        set_deadline(context_.config.write_timeout);
        co_await asio::async_write(stream_, asio::buffer(std::string_view("0\r\n\r\n")), asio::use_awaitable);
    }
    context_.middleware.log_access(request, response.status, writer.written(), elapsed_ms());
    if (!complete) abort();
    co_return complete&& keep;
}

template <class Stream>
class Session<Stream>::Socket final : public WebSocket {
  public:
    explicit Socket(Session& session)
        : session_(session), socket_(session.stream_), received_(session.stream_.get_executor()) {
        beast::websocket::stream_base::timeout timeout{};
        timeout.handshake_timeout = std::chrono::seconds(10);
        timeout.idle_timeout = std::chrono::seconds(60);
        timeout.keep_alive_pings = true;
        socket_.set_option(timeout);
        socket_.read_message_max(kMaxSocketMessage);
    }

    Task<> accept(const Parser& parser, const Request& request) {
        const bool speaks_ours =
            request.header("Sec-WebSocket-Protocol").value_or("").find(kSubprotocol) != std::string_view::npos;
        socket_.set_option(beast::websocket::stream_base::decorator(
            [speaks_ours, id = request.request_id](beast::websocket::response_type& response) {
                response.set("X-Request-Id", id);
                if (speaks_ours) response.set(beast::http::field::sec_websocket_protocol, kSubprotocol);
            }));
        co_await socket_.async_accept(parser.get(), asio::use_awaitable);
    }

    // Cancelling who waits here must not cancel the read itself: Beast gives a WebSocket up when that happens, and then
    // it can't say goodbye any more.
    Task<std::optional<std::string>> receive() override {
        if (!reading_ && !has_message_) {
            reading_ = true;
            socket_.async_read(buffer_, [this](error_code error, std::size_t) {
                read_error_ = error;
                reading_ = false;
                has_message_ = true;
                received_.notify();
            });
        }
        while (reading_)
            co_await received_.wait();
        has_message_ = false;
        if (read_error_ == beast::websocket::error::closed) co_return std::nullopt;
        if (read_error_) throw boost::system::system_error(read_error_);
        std::string text = beast::buffers_to_string(buffer_.data());
        buffer_.consume(buffer_.size());
        co_return text;
    }

    // The read may still be under way; nothing may be destroyed before it has ended.
    Task<> end() {
        session_.abort();
        while (reading_)
            co_await received_.wait();
    }

    Task<> send(std::string_view text) override {
        socket_.text(true);
        session_.set_deadline(session_.context_.config.write_timeout);
        co_await socket_.async_write(asio::buffer(text.data(), text.size()), asio::use_awaitable);
        session_.no_deadline();
    }

    Task<> close(std::uint16_t code, std::string_view reason) override {
        session_.set_deadline(std::chrono::seconds(5));
        error_code ignored;
        beast::websocket::close_reason why(code);
        const std::string_view shown = reason.substr(0, 100);  // RFC 6455 5.5: a control frame carries 125 bytes
        why.reason.assign(shown.data(), shown.size());
        co_await socket_.async_close(why, asio::redirect_error(asio::use_awaitable, ignored));
    }

  private:
    Session& session_;
    beast::websocket::stream<Stream&> socket_;
    beast::flat_buffer buffer_;
    error_code read_error_;
    bool reading_ = false, has_message_ = false;
    Signal received_;
};

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
    Socket socket(*this);
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
