#include "base/net/upstream.hpp"

#include "base/async/signal.hpp"
#include "base/async/ticker.hpp"
#include "base/async/wakeup.hpp"
#include "base/net/upstream_parser.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/system/system_error.hpp>

namespace llmm {
namespace {

using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;

// Who asks bounds how much goes on at once (the slots of an engine), and with it how much can become idle.
constexpr std::size_t kMaxIdle = 1024;
constexpr std::size_t kReadSize = 16 * 1024;
// Between two tries to connect to a unix socket whose queue is full.
constexpr std::chrono::milliseconds kQueueFullPause{5};

asio::generic::stream_protocol::endpoint address_of(const Endpoint& endpoint) {
    if (const auto* local = std::get_if<UnixEndpoint>(&endpoint)) {
        try {
            return asio::local::stream_protocol::endpoint(local->path);
        } catch (const boost::system::system_error&) {
            throw HttpError(HttpFailure::connect, "the path of the socket is too long");
        }
    }
    const auto& tcp = std::get<TcpEndpoint>(endpoint);
    error_code bad_address;
    const auto address = asio::ip::make_address(tcp.address, bad_address);
    if (bad_address) throw HttpError(HttpFailure::resolve, "not a numeric address: " + tcp.address);
    return asio::ip::tcp::endpoint(address, tcp.port);
}

// A connection and the read that is under way on it. Reads are not awaited directly: whoever waits can be woken for
// other reasons (a deadline, a silence) while the read stays.
class Connection final : public Ticker, public std::enable_shared_from_this<Connection> {
  public:
    explicit Connection(const asio::any_io_executor& executor) : Ticker(executor), socket(executor) {}

    // An idle connection has nothing to say: a byte or an end means that it can't be used.
    bool is_usable() {
        char byte = 0;
        return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
               (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    void close() {
        error_code ignored;
        socket.close(ignored);
    }

    void set_deadline(std::chrono::milliseconds limit) {
        expired_ = false;
        deadline_ = Clock::now() + limit;
        expect_at(std::min(deadline_, silent_at_));
    }
    // From now on a wait for a read also ends when nothing came for so long.
    void report_silence(std::chrono::milliseconds limit) {
        silent_at_ = Clock::now() + limit;
        expect_at(std::min(deadline_, silent_at_));
    }
    void rest() {
        deadline_ = silent_at_ = Clock::time_point::max();
        silent_ = false;
        expect_nothing();
    }
    bool expired() const { return expired_; }

    // True when a read has ended (see result), false after a silence.
    Task<bool> read() {
        if (!reading_) {
            reading_ = true;
            wakeup_.reset();
            auto ended = [self = shared_from_this()](error_code error, std::size_t count) {
                self->reading_ = false;
                self->result = {error, count};
                self->buffer.commit(count);
                self->wakeup_.notify();
            };
            if (tls) {
                tls->async_read_some(buffer.prepare(kReadSize), std::move(ended));
            } else {
                socket.async_read_some(buffer.prepare(kReadSize), std::move(ended));
            }
        }
        silent_ = false;
        while (reading_ && !silent_)
            co_await wakeup_.wait();
        co_return !reading_;
    }

    // Over TLS where there is some.
    template <class Buffers>
    Task<> write(const Buffers& buffers, error_code& error) {
        if (tls) {
            co_await asio::async_write(*tls, buffers, asio::redirect_error(asio::use_awaitable, error));
        } else {
            co_await asio::async_write(socket, buffers, asio::redirect_error(asio::use_awaitable, error));
        }
    }

    struct Result {
        error_code error;
        std::size_t count = 0;
    };
    Socket socket;
    std::optional<asio::ssl::stream<Socket&>> tls;
    boost::beast::flat_buffer buffer;
    Result result;

  private:
    void on_time() override {
        const auto now = Clock::now();
        if (deadline_ <= now) {
            expired_ = true;
            deadline_ = Clock::time_point::max();
            close();
            return;
        }
        if (silent_at_ <= now) {
            silent_at_ = Clock::time_point::max();
            silent_ = true;
            wakeup_.notify_later();
        }
        expect_at(std::min(deadline_, silent_at_));
    }

    Clock::time_point deadline_ = Clock::time_point::max();
    Clock::time_point silent_at_ = Clock::time_point::max();
    bool expired_ = false, silent_ = false, reading_ = false;
    Wakeup wakeup_;
};

std::string host_header(const Endpoint& endpoint) {
    const auto* remote = std::get_if<RemoteEndpoint>(&endpoint);
    if (!remote) return "localhost";
    const bool is_v6 = remote->host.find(':') != std::string::npos;
    const std::string host = is_v6 ? "[" + remote->host + "]" : remote->host;
    const bool own_port = remote->port == (remote->tls ? 443 : 80);
    return own_port ? host : fmt::format("{}:{}", host, remote->port);
}

bool is_text(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

// What belongs to one connection and must not be copied from another.
bool is_framing(std::string_view name) {
    constexpr std::string_view kNames[] = {
        "Host",    "Connection", "Keep-Alive", "Proxy-Connection",  "TE",
        "Trailer", "Upgrade",    "Expect",     "Transfer-Encoding", "Content-Length"};
    return std::ranges::any_of(kNames, [&](std::string_view other) { return boost::beast::iequals(name, other); });
}

void add_header(std::string& head, const HttpHeader& header) {
    if (!is_token(header.name) || !is_text(header.value)) throw HttpError(HttpFailure::protocol, "bad header");
    if (!is_framing(header.name)) head.append(header.name).append(": ").append(header.value).append("\r\n");
}

std::string head_of(const UpstreamRequest& request, const Endpoint& endpoint, const UpstreamOptions& options) {
    const auto is_path = [](std::string_view text) {
        return is_text(text) && text.find(' ') == std::string_view::npos;
    };
    const bool target_ok = request.target.starts_with('/') && is_path(request.target) && is_path(options.base_path);
    if (!is_token(request.method) || !target_ok) throw HttpError(HttpFailure::protocol, "bad method or target");
    std::string head;
    head.reserve(256);
    fmt::format_to(std::back_inserter(head), "{} {}{} HTTP/1.1\r\nHost: {}\r\n", request.method, options.base_path,
                   request.target, host_header(endpoint));
    for (const HttpHeader& header : options.headers)
        add_header(head, header);
    for (const HttpHeader& header : request.headers) {
        if (!find_header(options.headers, header.name)) add_header(head, header);
    }
    const bool has_body = !request.body.empty() || (request.method != "GET" && request.method != "HEAD");
    const std::uint64_t size = request.next_piece ? request.body_size : request.body.size();
    if (has_body) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", size);
    head += "\r\n";
    return head;
}

}  // namespace

struct Upstream::Impl {
    Impl(Endpoint where, UpstreamOptions how) : endpoint(std::move(where)), options(std::move(how)) {
        const auto* remote = std::get_if<RemoteEndpoint>(&endpoint);
        if (!remote || !remote->tls) return;
        tls.emplace(asio::ssl::context::tls_client);
        tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
        tls->set_verify_mode(asio::ssl::verify_peer);
        error_code unreadable;  // then nothing is trusted, and every connection fails with that reason
        if (options.ca_file.empty()) {
            tls->set_default_verify_paths(unreadable);
        } else {
            tls->load_verify_file(options.ca_file, unreadable);
        }
    }

    std::shared_ptr<Connection> take_idle() {
        while (!idle.empty()) {
            auto connection = std::move(idle.back());
            idle.pop_back();
            if (connection->is_usable()) return connection;
        }
        return nullptr;
    }
    void give_back(std::shared_ptr<Connection> connection) {
        if (idle.size() < kMaxIdle) idle.push_back(std::move(connection));
    }

    const Endpoint endpoint;
    const UpstreamOptions options;
    std::optional<asio::ssl::context> tls;
    std::vector<std::shared_ptr<Connection>> idle;
};

// One request and its response on one connection, which it owns until the response has ended.
struct UpstreamResponse::Impl {
    Impl(std::weak_ptr<Upstream::Impl> home, std::shared_ptr<Connection> used, const UpstreamRequest& request)
        : pool(std::move(home)),
          connection(std::move(used)),
          read_timeout(request.read_timeout),
          on_silence(request.on_silence),
          silence(request.silence),
          is_head(request.method == "HEAD"),
          parser(std::in_place, is_head) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { close(); }

    void close() {
        if (!connection) return;
        connection->rest();
        connection->close();  // what still reads on it holds it
        connection.reset();
    }

    // The end of the response was read. Bytes behind it would be taken for the next answer.
    void release() {
        connection->rest();
        const auto home = pool.lock();
        if (!home || !parser->keep_alive() || connection->buffer.size() > 0) return close();
        home->give_back(std::move(connection));
    }

    [[noreturn]] void fail(HttpFailure on_timeout, const error_code& error, const char* what) {
        const bool expired = connection->expired();
        close();
        if (expired) throw HttpError(on_timeout, std::string(what) + ": timed out");
        if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
        throw HttpError(HttpFailure::broken, fmt::format("{}: {}", what, error.message()));
    }

    Task<> connect(const Endpoint& endpoint, std::optional<asio::ssl::context>& tls) {
        if (const auto* remote = std::get_if<RemoteEndpoint>(&endpoint)) {
            co_await connect(*remote);
            if (remote->tls) co_await shake_hands(*remote, *tls);
            co_return;
        }
        const auto address = address_of(endpoint);
        for (;;) {
            error_code error;
            co_await connection->socket.async_connect(address, asio::redirect_error(asio::use_awaitable, error));
            if (connection->expired()) throw HttpError(HttpFailure::timeout, "connect: timed out");
            if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
            if (error) throw HttpError(HttpFailure::connect, "connect: " + error.message());
            // A unix socket whose queue is full refuses with EAGAIN, which asio takes for "in progress" and
            // then for success.
            connection->socket.remote_endpoint(error);
            if (error != asio::error::not_connected) break;
            connection->close();
            co_await sleep_for(kQueueFullPause);
            if (connection->expired())
                throw HttpError(HttpFailure::timeout, "connect: the queue of the socket is full");
        }
        if (std::holds_alternative<TcpEndpoint>(endpoint)) {
            connection->socket.set_option(asio::ip::tcp::no_delay(true));
        }
    }

    Task<> connect(const RemoteEndpoint& remote) {
        error_code error;
        asio::ip::tcp::resolver resolver(connection->socket.get_executor());
        const auto found = co_await resolver.async_resolve(remote.host, std::to_string(remote.port),
                                                           asio::ip::tcp::resolver::numeric_service,
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (connection->expired()) throw HttpError(HttpFailure::timeout, "resolve: timed out");
        if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
        if (error) throw HttpError(HttpFailure::resolve, "resolve: " + error.message());
        error = asio::error::host_not_found;
        for (const auto& entry : found) {
            // With the address that is connected, so that no second answer can change it.
            if (!may_be_engine(entry.endpoint().address())) {
                throw HttpError(HttpFailure::blocked_address, "the name leads to an address that no engine may have");
            }
            error_code ignored;
            connection->socket.close(ignored);
            co_await connection->socket.async_connect(entry.endpoint(),
                                                      asio::redirect_error(asio::use_awaitable, error));
            if (connection->expired()) throw HttpError(HttpFailure::timeout, "connect: timed out");
            if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
            if (!error) break;
        }
        if (error) throw HttpError(HttpFailure::connect, "connect: " + error.message());
        connection->socket.set_option(asio::ip::tcp::no_delay(true));
    }

    Task<> shake_hands(const RemoteEndpoint& remote, asio::ssl::context& context) {
        auto& tls = connection->tls.emplace(connection->socket, context);
        error_code is_name;
        asio::ip::make_address(remote.host, is_name);
        // An address is no server name (RFC 6066 3).
        if (is_name && SSL_set_tlsext_host_name(tls.native_handle(), remote.host.c_str()) != 1)
            throw HttpError(HttpFailure::tls, "the host name can't be asked for");
        tls.set_verify_callback(asio::ssl::host_name_verification(remote.host));
        error_code error;
        co_await tls.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, error));
        if (connection->expired()) throw HttpError(HttpFailure::timeout, "handshake: timed out");
        if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
        if (error) throw HttpError(HttpFailure::tls, "handshake: " + error.message());
    }

    // A failure to write is not reported: an engine may answer without having read everything, and if it does
    // not, the following read fails.
    Task<> write(const std::string& head, const std::string& body) {
        error_code error;
        const std::array buffers{asio::buffer(head), asio::buffer(body)};
        co_await connection->write(buffers, error);
        if (error == asio::error::operation_aborted) fail(HttpFailure::timeout, error, "write");
    }

    Task<> write_pieces(const UpstreamRequest& request) {
        for (std::uint64_t left = request.body_size; left > 0;) {
            const std::string piece = co_await request.next_piece();
            if (piece.empty() || piece.size() > left) {
                close();
                throw HttpError(HttpFailure::broken, "the body has another size than was said");
            }
            connection->set_deadline(request.head_timeout);
            error_code error;
            co_await connection->write(asio::buffer(piece), error);
            if (error == asio::error::operation_aborted) fail(HttpFailure::timeout, error, "write");
            if (error) co_return;  // as with a body in one piece
            left -= piece.size();
        }
    }

    // Reads once and parses. False when the connection ended or broke before the first byte of a response.
    Task<bool> read_more(HttpFailure on_timeout) {
        if (on_silence) connection->report_silence(silence);
        while (!co_await connection->read()) {
            co_await on_silence();
            connection->report_silence(silence);
        }
        const auto [error, count] = connection->result;
        if (connection->expired()) fail(on_timeout, error, "read");
        heard_something |= count > 0;
        if (error && error != asio::error::operation_aborted && !heard_something) co_return false;
        error_code bad_syntax;
        if (error == asio::error::eof) {
            parser->put_eof(bad_syntax);
            if (bad_syntax) fail(on_timeout, error, "the connection was closed before the end of the response");
        } else if (error) {
            fail(on_timeout, error, "read");
        } else {
            parse();
        }
        co_return true;
    }

    void parse() {
        auto& buffer = connection->buffer;
        error_code error;
        while (buffer.size() > 0 && !parser->is_done()) {
            const std::size_t used = parser->put(buffer.data(), error);
            buffer.consume(used);
            if (error == boost::beast::http::error::need_more) {
                if (used == 0) return;
                error = {};
                continue;
            }
            if (error) {
                close();
                throw HttpError(HttpFailure::protocol, "bad response: " + error.message());
            }
        }
    }

    // False: see read_more.
    Task<bool> read_head() {
        for (;;) {
            while (!parser->is_header_done()) {
                if (!co_await read_more(HttpFailure::timeout)) co_return false;
            }
            // 1xx only announces the response; nobody here asks for a change of protocol (101).
            if (parser->status() >= 200) co_return true;
            parser.emplace(is_head);
            parse();
        }
    }

    std::weak_ptr<Upstream::Impl> pool;
    std::shared_ptr<Connection> connection;  // empty once the response has ended
    std::chrono::milliseconds read_timeout;
    std::function<Task<>()> on_silence;
    std::chrono::milliseconds silence;
    bool is_head;
    bool heard_something = false;
    std::optional<UpstreamParser> parser;
};

UpstreamResponse::UpstreamResponse(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UpstreamResponse::UpstreamResponse(UpstreamResponse&&) noexcept = default;
UpstreamResponse& UpstreamResponse::operator=(UpstreamResponse&&) noexcept = default;
UpstreamResponse::~UpstreamResponse() = default;

int UpstreamResponse::status() const {
    return impl_->parser->status();
}
const HttpHeaders& UpstreamResponse::headers() const {
    return impl_->parser->headers();
}

Task<std::optional<std::string>> UpstreamResponse::read_some() {
    Impl& impl = *impl_;
    if (!impl.parser->has_piece() && !impl.parser->is_done()) {
        if (!impl.connection) throw HttpError(HttpFailure::broken, "the response failed before");
        impl.connection->set_deadline(impl.read_timeout);
        while (!impl.parser->has_piece() && !impl.parser->is_done()) {
            if (!impl.connection) throw HttpError(HttpFailure::broken, "the response failed before");
            co_await impl.read_more(HttpFailure::stalled);
        }
        if (impl.connection) impl.connection->rest();
    }
    if (impl.parser->is_done() && impl.connection) impl.release();
    if (!impl.parser->has_piece()) co_return std::nullopt;
    co_return impl.parser->take_piece();
}

bool UpstreamResponse::ended() const {
    return impl_->parser->is_done() && !impl_->parser->has_piece();
}

Task<std::string> UpstreamResponse::read_all(std::size_t max_bytes) {
    std::string body;
    while (auto piece = co_await read_some()) {
        if (piece->size() > max_bytes - body.size()) {
            impl_->close();
            throw HttpError(HttpFailure::too_large, fmt::format("the response has more than {} bytes", max_bytes));
        }
        body += *piece;
    }
    co_return body;
}

Upstream::Upstream(Endpoint endpoint, UpstreamOptions options)
    : impl_(std::make_shared<Impl>(std::move(endpoint), std::move(options))) {}
Upstream::~Upstream() = default;
Upstream::Upstream(Upstream&&) noexcept = default;
Upstream& Upstream::operator=(Upstream&&) noexcept = default;

const Endpoint& Upstream::endpoint() const {
    return impl_->endpoint;
}

Task<UpstreamResponse> Upstream::send(UpstreamRequest request) {
    const auto pool = impl_;
    const auto executor = co_await asio::this_coro::executor;
    const std::string head = head_of(request, pool->endpoint, pool->options);
    auto kept = request.next_piece ? nullptr : pool->take_idle();
    for (;;) {
        const bool is_kept = kept != nullptr;
        auto connection = is_kept ? std::exchange(kept, nullptr) : std::make_shared<Connection>(executor);
        auto exchange = std::make_unique<UpstreamResponse::Impl>(pool, std::move(connection), request);
        if (!is_kept) {
            exchange->connection->set_deadline(request.connect_timeout);
            co_await exchange->connect(pool->endpoint, pool->tls);
        }
        exchange->connection->set_deadline(request.head_timeout);
        co_await exchange->write(head, request.body);
        if (request.next_piece) co_await exchange->write_pieces(request);
        if (co_await exchange->read_head()) {
            if (exchange->connection) exchange->connection->rest();
            co_return UpstreamResponse(std::move(exchange));
        }
        if (!is_kept) throw HttpError(HttpFailure::broken, "the connection was closed without an answer");
    }
}

}  // namespace llmm
