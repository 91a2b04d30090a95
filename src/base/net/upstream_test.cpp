#include "base/net/upstream.hpp"

#include "base/async/signal.hpp"
#include "base/async/task_group.hpp"
#include "support/event_loop.hpp"
#include "support/temporary_directory.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Socket = asio::generic::stream_protocol::socket;

// What the server does with one request: sends the pieces, each a moment after the one before, then maybe
// closes.
struct Turn {
    std::vector<std::string> pieces;
    bool close = false;
    std::chrono::milliseconds delay{0};  // before the first piece
};
using Script = std::vector<Turn>;  // of one connection; behind its end the server waits for the client to close

// A server whose n-th connection follows the n-th script.
class ScriptedServer {
  public:
    ScriptedServer(test::EventLoop& loop, std::vector<Script> scripts)
        : scripts_(std::move(scripts)),
          tasks_(loop.executor()),
          tcp_(loop.context(), {asio::ip::address_v4::loopback(), 0}) {
        tasks_.spawn("accept", accept_tcp());
    }
    ScriptedServer(test::EventLoop& loop, const std::filesystem::path& path, std::vector<Script> scripts)
        : scripts_(std::move(scripts)), tasks_(loop.executor()), tcp_(loop.context()) {
        local_.emplace(loop.context(), asio::local::stream_protocol::endpoint(path));
        tasks_.spawn("accept", accept_local());
    }

    Endpoint endpoint() {
        if (local_) return UnixEndpoint{local_->local_endpoint().path()};
        return TcpEndpoint{"127.0.0.1", tcp_.local_endpoint().port()};
    }
    Task<> stop() { return tasks_.stop(); }

    std::vector<std::string> requests;  // as received
    std::vector<int> connection_of;     // each request's connection
    std::vector<Clock::time_point> closed_by_client;

  private:
    Task<> accept_tcp() {
        for (;;) {
            auto socket = co_await tcp_.async_accept(asio::use_awaitable);
            tasks_.spawn("serve", serve(Socket(std::move(socket)), accepted_++));
        }
    }
    Task<> accept_local() {
        for (;;) {
            auto socket = co_await local_->async_accept(asio::use_awaitable);
            tasks_.spawn("serve", serve(Socket(std::move(socket)), accepted_++));
        }
    }

    Task<> serve(Socket socket, int number) {
        const Script script = static_cast<std::size_t>(number) < scripts_.size() ? scripts_[number] : Script{};
        for (const Turn& turn : script) {
            if (!co_await read_request(socket, number)) co_return;
            if (turn.delay > 0ms) co_await sleep_for(turn.delay);
            for (const std::string& piece : turn.pieces) {
                co_await asio::async_write(socket, asio::buffer(piece), asio::use_awaitable);
                co_await sleep_for(2ms);
            }
            if (turn.close) co_return;
        }
        char byte = 0;
        boost::system::error_code error;
        while (!error) {
            co_await socket.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, error));
        }
        closed_by_client.push_back(Clock::now());
    }

    // False when the client closed the connection instead.
    Task<bool> read_request(Socket& socket, int number) {
        std::string text;
        std::array<char, 4096> block;
        for (;;) {
            boost::system::error_code error;
            const auto count =
                co_await socket.async_read_some(asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
            if (error) {
                closed_by_client.push_back(Clock::now());
                co_return false;
            }
            text.append(block.data(), count);
            const auto end = text.find("\r\n\r\n");
            if (end == std::string::npos) continue;
            std::size_t length = 0;
            if (const auto at = text.find("Content-Length: "); at < end) length = std::stoul(text.substr(at + 16));
            if (text.size() < end + 4 + length) continue;
            requests.push_back(text);
            connection_of.push_back(number);
            co_return true;
        }
    }

    std::vector<Script> scripts_;
    TaskGroup tasks_;
    asio::ip::tcp::acceptor tcp_;
    std::optional<asio::local::stream_protocol::acceptor> local_;
    int accepted_ = 0;
};

struct Answer {
    int status = 0;
    std::vector<std::string> pieces;
    std::string body() const { return fmt::format("{}", fmt::join(pieces, "")); }
};

Task<Answer> exchange(Upstream& upstream, UpstreamRequest request = {}) {
    UpstreamResponse response = co_await upstream.send(std::move(request));
    Answer answer{.status = response.status(), .pieces = {}};
    while (auto piece = co_await response.read_some())
        answer.pieces.push_back(std::move(*piece));
    co_return answer;
}

Task<> stop_server(ScriptedServer& server) {
    co_await server.stop();
}

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const std::string kChunkedHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

class UpstreamTest : public testing::Test {
  protected:
    ScriptedServer& serve(std::vector<Script> scripts) { return server_.emplace(loop_, std::move(scripts)); }
    void TearDown() override {
        if (server_) loop_.run(stop_server(*server_));
    }
    HttpFailure failure_of(Task<Answer> task) {
        try {
            const Answer answer = loop_.run(std::move(task));
            ADD_FAILURE() << "answered " << answer.status << ' ' << answer.body();
        } catch (const HttpError& error) {
            return error.failure();
        }
        return HttpFailure::blocked_address;
    }
    void eventually(const std::function<bool()>& condition) {
        for (int i = 0; i < 500 && !condition(); ++i)
            loop_.run(sleep_for(2ms));
        EXPECT_TRUE(condition());
    }

    test::EventLoop loop_;
    std::optional<ScriptedServer> server_;
};

TEST_F(UpstreamTest, reads_a_body_of_known_length) {
    Upstream upstream(serve({{Turn{{kOk}}}}).endpoint());
    const Answer answer = loop_.run(exchange(upstream));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body(), "ok");
}

TEST_F(UpstreamTest, hands_out_chunks_as_they_arrive) {
    Upstream upstream(serve({{Turn{{kChunkedHead, "6\r\ndata: \r\n", "2\r\nhi\r\n", "0\r\n", "\r\n"}}}}).endpoint());
    EXPECT_EQ(loop_.run(exchange(upstream)).pieces, (std::vector<std::string>{"data: ", "hi"}));
}

TEST_F(UpstreamTest, reads_a_head_that_comes_byte_by_byte_and_ignores_trailers_and_interim_answers) {
    const std::string text =
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kChunkedHead + "3;x=y\r\nabc\r\n0\r\nLate: 1\r\n\r\n";
    std::vector<std::string> bytes;
    for (const char c : text)
        bytes.emplace_back(1, c);
    Upstream upstream(serve({{Turn{bytes}}}).endpoint());
    const Answer answer = loop_.run(exchange(upstream));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body(), "abc");
}

TEST_F(UpstreamTest, reads_until_the_connection_ends_when_no_length_is_given) {
    Upstream upstream(serve({{Turn{{"HTTP/1.1 200 OK\r\n\r\nall ", "of it"}, true}}}).endpoint());
    EXPECT_EQ(loop_.run(exchange(upstream)).body(), "all of it");
}

TEST_F(UpstreamTest, reads_answers_without_a_body) {
    Upstream upstream(serve({{Turn{{"HTTP/1.1 204 No Content\r\n\r\n"}},
                              Turn{{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"}}, Turn{{kOk}}}})
                          .endpoint());
    EXPECT_EQ(loop_.run(exchange(upstream)).status, 204);
    EXPECT_EQ(loop_.run(exchange(upstream, {.method = "HEAD"})).status, 200);
    EXPECT_EQ(loop_.run(exchange(upstream)).body(), "ok");
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0, 0}));
}

TEST_F(UpstreamTest, sends_its_own_framing_and_the_callers_other_headers) {
    Upstream upstream(serve({{Turn{{kOk}}}}).endpoint());
    loop_.run(exchange(upstream, {.method = "POST",
                                  .target = "/v1/chat?x=1",
                                  .headers = {{"Content-Type", "application/json"},
                                              {"connection", "close"},
                                              {"Transfer-Encoding", "chunked"},
                                              {"CONTENT-LENGTH", "99"},
                                              {"X-Id", "7"}},
                                  .body = "{}"}));
    EXPECT_EQ(server_->requests.at(0),
              "POST /v1/chat?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Id: 7\r\n"
              "Content-Length: 2\r\n\r\n{}");
}

TEST_F(UpstreamTest, sends_nothing_that_could_become_a_second_request) {
    Upstream upstream(serve({}).endpoint());
    const UpstreamRequest bad[] = {{.method = "GET / HTTP/1.1\r\n\r\nGET"},
                                   {.method = ""},
                                   {.target = "/a b"},
                                   {.target = "/\r\nX: 1"},
                                   {.target = "http://elsewhere/"},
                                   {.headers = {{"A", "1\r\nB: 2"}}},
                                   {.headers = {{"A: 1\r\nB", "2"}}},
                                   {.headers = {{"", "2"}}}};
    for (const UpstreamRequest& request : bad)
        EXPECT_EQ(failure_of(exchange(upstream, request)), HttpFailure::protocol);
    EXPECT_TRUE(server_->requests.empty());
}

TEST_F(UpstreamTest, uses_a_connection_again_but_not_after_close) {
    const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    Upstream upstream(
        serve({{Turn{{kOk}}, Turn{{kChunkedHead + "1\r\nx\r\n0\r\n\r\n"}}, Turn{{last}}}, {Turn{{kOk}}}}).endpoint());
    for (int i = 0; i < 4; ++i)
        loop_.run(exchange(upstream));
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0, 0, 1}));
}

TEST_F(UpstreamTest, does_not_use_a_connection_again_that_says_more_than_its_answer) {
    Upstream upstream(serve({{Turn{{kOk + kOk}}}, {Turn{{kOk}}}}).endpoint());
    loop_.run(exchange(upstream));
    loop_.run(exchange(upstream));
    EXPECT_EQ(server_->connection_of, (std::vector{0, 1}));
}

TEST_F(UpstreamTest, notices_a_kept_connection_that_was_closed_meanwhile) {
    Upstream upstream(serve({{Turn{{kOk}, true}}, {Turn{{kOk}}}}).endpoint());
    loop_.run(exchange(upstream));
    loop_.run(sleep_for(20ms));
    EXPECT_EQ(loop_.run(exchange(upstream)).body(), "ok");
    EXPECT_EQ(server_->connection_of, (std::vector{0, 1}));
}

TEST_F(UpstreamTest, sends_again_when_a_kept_connection_closes_without_a_byte) {
    // The server reads the second request of the first connection and closes without an answer.
    Upstream upstream(serve({{Turn{{kOk}}, Turn{{}, true}}, {Turn{{kOk}}}}).endpoint());
    loop_.run(exchange(upstream));
    EXPECT_EQ(loop_.run(exchange(upstream, {.method = "POST", .body = "twice"})).body(), "ok");
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0, 1}));
    EXPECT_EQ(server_->requests[1], server_->requests[2]);
}

TEST_F(UpstreamTest, sends_again_only_once_and_never_after_a_byte) {
    Upstream upstream(
        serve({{Turn{{kOk}}, Turn{{}, true}}, {Turn{{}, true}}, {Turn{{kOk}}, Turn{{"HTTP/1.1 2"}, true}}}).endpoint());
    loop_.run(exchange(upstream));
    EXPECT_EQ(failure_of(exchange(upstream)), HttpFailure::broken);
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0, 1}));
    loop_.run(exchange(upstream));
    EXPECT_EQ(failure_of(exchange(upstream)), HttpFailure::broken);
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0, 1, 2, 2}));
}

TEST_F(UpstreamTest, says_that_an_answer_broke_off) {
    Upstream upstream(serve({{Turn{{kChunkedHead, "5\r\nhello\r\n"}, true}},
                             {Turn{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}, true}}})
                          .endpoint());
    EXPECT_EQ(failure_of(exchange(upstream)), HttpFailure::broken);
    EXPECT_EQ(failure_of(exchange(upstream)), HttpFailure::broken);
}

TEST_F(UpstreamTest, refuses_what_is_not_http) {
    Upstream upstream(serve({{Turn{{"SSH-2.0-OpenSSH\r\n"}}},
                             {Turn{{kChunkedHead + "zz\r\n"}}},
                             {Turn{{"HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n"}}},
                             {Turn{{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"}}}})
                          .endpoint());
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(failure_of(exchange(upstream)), HttpFailure::protocol) << i;
}

TEST_F(UpstreamTest, bounds_what_is_read_whole) {
    Upstream upstream(serve({{Turn{{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0123456789"}}}}).endpoint());
    auto read_whole = [](Upstream& from, std::size_t limit) -> Task<std::string> {
        UpstreamResponse response = co_await from.send({});
        co_return co_await response.read_all(limit);
    };
    try {
        loop_.run(read_whole(upstream, 9));
        ADD_FAILURE();
    } catch (const HttpError& error) {
        EXPECT_EQ(error.failure(), HttpFailure::too_large);
    }
    eventually([&] { return server_->closed_by_client.size() == 1; });
}

TEST_F(UpstreamTest, has_a_deadline_for_the_head_and_between_pieces) {
    Upstream upstream(serve({{Turn{{kOk}, false, 500ms}}, {Turn{{kChunkedHead, "1\r\nx\r\n"}}}}).endpoint());
    const auto begin = Clock::now();
    EXPECT_EQ(failure_of(exchange(upstream, {.head_timeout = 50ms})), HttpFailure::timeout);
    EXPECT_EQ(failure_of(exchange(upstream, {.read_timeout = 50ms})), HttpFailure::stalled);
    EXPECT_LT(Clock::now() - begin, 400ms);
}

TEST_F(UpstreamTest, counts_its_read_deadline_from_the_last_piece) {
    std::vector<std::string> pieces{kChunkedHead};
    for (int i = 0; i < 60; ++i)
        pieces.push_back("1\r\nx\r\n");
    pieces.push_back("0\r\n\r\n");
    Upstream upstream(serve({{Turn{pieces}}}).endpoint());
    EXPECT_EQ(loop_.run(exchange(upstream, {.read_timeout = 80ms})).body().size(),
              60u);  // takes 120 ms and more
}

TEST_F(UpstreamTest, says_that_nobody_listens) {
    test::TemporaryDirectory directory;
    Upstream missing(UnixEndpoint{directory / "none.sock"});
    EXPECT_EQ(failure_of(exchange(missing)), HttpFailure::connect);
    Upstream refused(TcpEndpoint{"127.0.0.1", 1});
    EXPECT_EQ(failure_of(exchange(refused)), HttpFailure::connect);
    Upstream too_long(UnixEndpoint{"/" + std::string(200, 'x')});
    EXPECT_EQ(failure_of(exchange(too_long)), HttpFailure::connect);
}

TEST_F(UpstreamTest, talks_over_a_unix_socket) {
    test::TemporaryDirectory directory;
    server_.emplace(loop_, directory / "e.sock", std::vector<Script>{{Turn{{kOk}}, Turn{{kOk}}}});
    Upstream upstream(server_->endpoint());
    EXPECT_EQ(loop_.run(exchange(upstream)).body(), "ok");
    EXPECT_EQ(loop_.run(exchange(upstream)).body(), "ok");
    EXPECT_EQ(server_->connection_of, (std::vector{0, 0}));
}

TEST_F(UpstreamTest, waits_for_a_unix_socket_whose_queue_is_full) {
    test::TemporaryDirectory directory;
    const std::string path = directory / "full.sock";
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(listener, 0), 0);
    const int first = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(first, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);

    Upstream upstream(UnixEndpoint{path});
    EXPECT_EQ(failure_of(exchange(upstream, {.connect_timeout = 50ms})), HttpFailure::timeout);
    TaskGroup tasks(loop_.executor());
    auto make_room = [](int from) -> Task<> {
        co_await sleep_for(50ms);
        ::close(::accept(from, nullptr, nullptr));
    };
    tasks.spawn("make room", make_room(listener));
    EXPECT_EQ(failure_of(exchange(upstream, {.connect_timeout = 5s, .head_timeout = 50ms})), HttpFailure::timeout);
    // Connected this time: what timed out was the answer.
    const int second = ::accept(listener, nullptr, nullptr);
    std::array<char, 64> text{};
    EXPECT_GT(::recv(second, text.data(), text.size(), MSG_DONTWAIT), 0);
    loop_.run(tasks.stop());
    for (const int fd : {listener, first, second})
        ::close(fd);
}

TEST_F(UpstreamTest, closes_at_once_when_the_response_is_dropped) {
    Upstream upstream(serve({{Turn{{kChunkedHead, "1\r\nx\r\n"}}}}).endpoint());
    auto drop_early = [](Upstream& from) -> Task<Clock::time_point> {
        UpstreamResponse response = co_await from.send({});
        co_await response.read_some();
        co_return Clock::now();
    };
    const auto dropped = loop_.run(drop_early(upstream));
    eventually([&] { return server_->closed_by_client.size() == 1; });
    EXPECT_LT(server_->closed_by_client[0] - dropped, 100ms);
}

class CancelledUpstreamTest : public UpstreamTest, public testing::WithParamInterface<Turn> {};

TEST_P(CancelledUpstreamTest, closes_at_once_and_ends_as_cancelled) {
    Upstream upstream(serve({{GetParam()}}).endpoint());
    asio::cancellation_signal cancel;
    std::exception_ptr error;
    bool ended = false;
    asio::co_spawn(loop_.context(), exchange(upstream),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown, Answer) {
                       error = thrown;
                       ended = true;
                   }));
    loop_.run(sleep_for(30ms));
    ASSERT_FALSE(ended);
    const auto begin = Clock::now();
    cancel.emit(asio::cancellation_type::terminal);
    eventually([&] { return ended && server_->closed_by_client.size() == 1; });
    EXPECT_LT(server_->closed_by_client[0] - begin, 100ms);
    ASSERT_TRUE(error);
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& aborted) {
        EXPECT_EQ(aborted.code(), asio::error::operation_aborted);
    }
}

INSTANTIATE_TEST_SUITE_P(Upstream, CancelledUpstreamTest,
                         testing::Values(Turn{{}}, Turn{{"HTTP/1.1 200"}}, Turn{{kChunkedHead}},
                                         Turn{{kChunkedHead, "1\r\nx\r\n"}}));

TEST(EndpointTest, is_written_and_read_in_one_form) {
    for (const char* text : {"unix:/run/llm/a.sock", "http://127.0.0.1:8080", "http://[::1]:65535"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(to_string(*endpoint), text);
    }
    for (const std::string& text :
         {std::string(""), std::string("unix:relative.sock"), std::string("unix:"), "unix:/" + std::string(107, 'x'),
          std::string("unix:/a\0b", 9), std::string("http://localhost:80"), std::string("http://127.0.0.1"),
          std::string("http://127.0.0.1:0"), std::string("http://127.0.0.1:65536"), std::string("http://127.0.0.1:80/"),
          std::string("http://::1:80"), std::string("http://[127.0.0.1]:80"), std::string("https://127.0.0.1:80")}) {
        EXPECT_FALSE(parse_endpoint(text)) << text;
    }
}

}  // namespace
}  // namespace llmm
