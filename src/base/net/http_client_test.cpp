#include "base/net/http_client.hpp"

#include <atomic>
#include <future>
#include <mutex>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/async/signal.hpp"
#include "base/async/task_group.hpp"
#include "support/raw_server.hpp"
#include "support/run_task.hpp"

namespace llmm {
namespace {

using test::RawConnection;
using test::RawServer;
using test::run_task;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class HttpClientTest : public testing::Test {
  protected:
    HttpRequest get(const RawServer& server, std::string_view path = "/") {
        return {.url = Url::parse(server.url(path)).value()};
    }
    HttpResponse fetch(HttpRequest request) { return run_task(client.fetch(std::move(request))); }
    HttpFailure failure(HttpRequest request) { return failure_in(client, std::move(request)); }
    static HttpFailure failure_in(HttpClient& some_client, HttpRequest request) {
        try {
            const HttpResponse response = run_task(some_client.fetch(std::move(request)));
            throw std::runtime_error("got a response: " + std::to_string(response.status));
        } catch (const HttpError& e) {
            return e.failure();
        }
    }

    asio::io_context loop;  // outlives the client
    const UrlGuard guard{{"127.0.0.1"}};
    HttpClient client{{.user_agent = "test/1"}, guard};
};

std::string ok(std::string_view body, std::string_view headers = "") {
    return "HTTP/1.1 200 OK\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string(body);
}

std::string gzip(const std::string& text) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

// Answers every request of a connection, and hands the requests to the test.
class Recorder {
  public:
    RawServer::Script script(std::string answer) {
        return [this, answer](RawConnection& connection) {
            for (std::string request; !(request = connection.read_request()).empty();) {
                {
                    const std::lock_guard lock(mutex_);
                    last_ = std::move(request);
                }
                connection.write(answer);
            }
        };
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return last_;
    }

  private:
    std::mutex mutex_;
    std::string last_;
};

class CollectingSink : public BodySink {
  public:
    bool on_head(int status, const HttpHeaders& headers) override {
        ++heads;
        last_status = status;
        last_headers = headers;
        return take_body;
    }
    bool on_data(std::span<const std::byte> data) override {
        body.append(reinterpret_cast<const char*>(data.data()), data.size());
        ++pieces;
        return body.size() < stop_at;
    }

    bool take_body = true;
    std::size_t stop_at = SIZE_MAX;
    int heads = 0;
    int last_status = 0;
    HttpHeaders last_headers;
    std::string body;
    std::atomic<int> pieces = 0;
};

}  // namespace

TEST_F(HttpClientTest, fetches) {
    RawServer server(
        RawServer::answer("HTTP/1.1 404 Not Found\r\nX-One: a\r\nx-ONE: b\r\nContent-Length: 4\r\n\r\ngone"));
    const HttpResponse response = fetch(get(server));
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body, "gone");
    EXPECT_EQ(find_header(response.headers, "X-one"), "a");
    EXPECT_EQ(response.headers.size(), 3u);
}

TEST_F(HttpClientTest, sends_what_was_asked_and_no_more) {
    Recorder recorder;
    RawServer server(recorder.script(ok("")));
    auto request = get(server, "/a%20b?c=%2F");
    request.headers = {{"Range", "bytes=0-9"}, {"X-Empty", ""}};
    request.bearer = SecretString("token");
    fetch(std::move(request));
    const std::string host = "127.0.0.1:" + std::to_string(server.port());
    EXPECT_EQ(recorder.last(),
              "GET /a%20b?c=%2F HTTP/1.1\r\nHost: " + host +
                  "\r\nUser-Agent: test/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\nRange: bytes=0-9\r\n"
                  "X-Empty:\r\nAuthorization: Bearer token\r\n\r\n");
}

TEST_F(HttpClientTest, sends_bodies_with_any_method) {
    Recorder recorder;
    RawServer server(recorder.script(ok("")));
    for (const char* method : {"POST", "PUT", "PATCH"}) {
        auto request = get(server);
        request.method = method;
        request.headers = {{"Content-Type", "application/json"}};
        request.body = std::string("{\"a\":\0}", 7) + std::string(5000, 'x');
        fetch(request);
        EXPECT_THAT(recorder.last(), testing::StartsWith(std::string(method) + " / HTTP/1.1\r\n"));
        EXPECT_THAT(recorder.last(), HasSubstr("Content-Type: application/json\r\n"));
        EXPECT_THAT(recorder.last(), Not(HasSubstr("Expect")));
        EXPECT_THAT(recorder.last(), testing::EndsWith(request.body));
    }
    auto request = get(server);
    request.method = "DELETE";
    fetch(request);
    EXPECT_THAT(recorder.last(), testing::StartsWith("DELETE / HTTP/1.1\r\n"));
}

TEST_F(HttpClientTest, head_has_headers_only) {
    RawServer server(RawServer::answer("HTTP/1.1 200 OK\r\nContent-Length: 4920734272\r\n\r\n"));
    auto request = get(server);
    request.method = "HEAD";
    const HttpResponse response = fetch(std::move(request));
    EXPECT_EQ(find_header(response.headers, "content-length"), "4920734272");
    EXPECT_EQ(response.body, "");
}

TEST_F(HttpClientTest, redirects_are_the_callers) {
    RawServer server(
        RawServer::answer("HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"));
    const HttpResponse response = fetch(get(server));
    EXPECT_EQ(response.status, 302);
    EXPECT_EQ(find_header(response.headers, "Location"), "/b");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpClientTest, keeps_no_cookies) {
    Recorder recorder;
    RawServer server(recorder.script(ok("", "Set-Cookie: a=b\r\n")));
    fetch(get(server));
    fetch(get(server));
    EXPECT_THAT(recorder.last(), Not(HasSubstr("Cookie")));
}

TEST_F(HttpClientTest, refuses_requests_that_forge_headers_before_connecting) {
    RawServer server(RawServer::answer(ok("")));
    auto request = get(server);
    request.headers = {{"X-A", "b\r\nX-Forged: c"}};
    EXPECT_EQ(failure(std::move(request)), HttpFailure::protocol);
    EXPECT_EQ(server.connections(), 0);
}

TEST_F(HttpClientTest, one_connection_serves_many_requests) {
    Recorder recorder;
    RawServer server(recorder.script(ok("x")));
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(run_task(loop, client.fetch(get(server))).body, "x");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpClientTest, many_requests_at_once) {
    RawServer server([](RawConnection& connection) {
        for (std::string request; !(request = connection.read_request()).empty();) {
            connection.sleep(20ms);
            connection.write(ok(request.substr(0, request.find(" HTTP"))));
        }
    });
    TaskGroup group(loop.get_executor());
    std::vector<std::string> bodies(100);
    for (int i = 0; i < 100; ++i) {
        group.spawn("fetch", [](HttpClient& http, HttpRequest request, std::string& body) -> Task<> {
            body = (co_await http.fetch(std::move(request))).body;
        }(client, get(server, "/" + std::to_string(i)), bodies[i]));
    }
    run_task(loop, group.wait());
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(bodies[i], "GET /" + std::to_string(i));
}

TEST_F(HttpClientTest, resumes_on_the_callers_thread) {
    RawServer server(RawServer::answer(ok("")));
    const auto thread = run_task([](HttpClient& http, HttpRequest request) -> Task<std::thread::id> {
        co_await http.fetch(std::move(request));
        co_return std::this_thread::get_id();
    }(client, get(server)));
    EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST_F(HttpClientTest, streams_to_a_sink_as_it_arrives) {
    std::promise<void> first_piece;
    RawServer server([&](RawConnection& connection) {
        connection.read_request();
        connection.write(
            "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        first_piece.get_future().wait();
        connection.write("6\r\n world\r\n0\r\nX-Trailer: y\r\n\r\n");
    });
    struct Sink : CollectingSink {
        bool on_data(std::span<const std::byte> data) override {
            const bool more = CollectingSink::on_data(data);
            if (body == "hello") arrived->set_value();
            return more;
        }
        std::promise<void>* arrived;
    } sink;
    sink.arrived = &first_piece;
    const HttpResponse response = run_task(client.stream(get(server), sink));
    EXPECT_EQ(sink.body, "hello world");
    EXPECT_EQ(sink.heads, 1);
    EXPECT_EQ(sink.last_status, 200);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "");
    EXPECT_FALSE(find_header(response.headers, "Link"));
    EXPECT_FALSE(find_header(response.headers, "X-Trailer"));
}

TEST_F(HttpClientTest, streams_much) {
    const std::string block(1 << 20, 'b');
    RawServer server([&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(64 * block.size()) + "\r\n\r\n");
        for (int i = 0; i < 64; ++i)
            connection.write(block);
    });
    struct Counter : BodySink {
        bool on_head(int, const HttpHeaders&) override { return true; }
        bool on_data(std::span<const std::byte> data) override {
            bytes += data.size();
            return true;
        }
        std::size_t bytes = 0;
    } counter;
    auto request = get(server);
    request.max_body_bytes = 64 * block.size();
    run_task(client.stream(std::move(request), counter));
    EXPECT_EQ(counter.bytes, 64 * block.size());
}

TEST_F(HttpClientTest, a_sink_can_refuse_the_response) {
    std::atomic<bool> closed = false;
    RawServer server([&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\nbody");
        closed = connection.wait_for_close(5s);
    });
    CollectingSink sink;
    sink.take_body = false;
    const HttpResponse response = run_task(client.stream(get(server), sink));
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(find_header(response.headers, "Content-Length"), "1000000");
    EXPECT_EQ(sink.pieces, 0);
    for (int i = 0; i < 100 && !closed; ++i)
        std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(closed);
}

TEST_F(HttpClientTest, a_sink_can_end_the_body) {
    RawServer server([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nenough");
        connection.wait_for_close(5s);
    });
    CollectingSink sink;
    sink.stop_at = 6;
    EXPECT_EQ(run_task(client.stream(get(server), sink)).status, 200);
    EXPECT_EQ(sink.body, "enough");
}

TEST_F(HttpClientTest, what_a_sink_throws_reaches_the_caller) {
    RawServer server(RawServer::answer(ok("body")));
    struct Sink : CollectingSink {
        bool on_data(std::span<const std::byte>) override { throw std::out_of_range("sink"); }
    } sink;
    EXPECT_THROW(run_task(client.stream(get(server), sink)), std::out_of_range);
}

TEST_F(HttpClientTest, a_truncated_body_is_broken) {
    RawServer server(RawServer::answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"));
    EXPECT_EQ(failure(get(server)), HttpFailure::broken);
    RawServer chunked(RawServer::answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    EXPECT_EQ(failure(get(chunked)), HttpFailure::broken);
}

TEST_F(HttpClientTest, bytes_beyond_the_content_length_are_no_part_of_anything) {
    RawServer server([](RawConnection& connection) {
        while (!connection.read_request().empty())
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\n\r\n");
    });
    for (int i = 0; i < 3; ++i) {
        const HttpResponse response = fetch(get(server));
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, "ok");
    }
}

TEST_F(HttpClientTest, a_server_that_says_nothing_is_broken) {
    RawServer server([](RawConnection& connection) { connection.read_request(); });
    EXPECT_EQ(failure(get(server)), HttpFailure::broken);
}

TEST_F(HttpClientTest, malformed_answers_are_refused) {
    for (const std::string& answer :
         {std::string("SSH-2.0-OpenSSH_9.2\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok"),
          std::string("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n"),
          std::string("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
        RawServer server(RawServer::answer(answer));
        const HttpFailure got = failure(get(server));
        EXPECT_TRUE(got == HttpFailure::protocol || got == HttpFailure::broken)
            << answer << " gave " << static_cast<int>(got);
    }
}

TEST_F(HttpClientTest, a_body_over_the_cap_is_refused_while_reading) {
    RawServer exact(RawServer::answer(ok(std::string(1000, 'x'))));
    auto request = get(exact);
    request.max_body_bytes = 1000;
    EXPECT_EQ(fetch(std::move(request)).body.size(), 1000u);

    RawServer endless([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\n\r\n");
        while (connection.write(std::string(1000, 'x'))) {
        }
    });
    request = get(endless);
    request.max_body_bytes = 1 << 20;
    EXPECT_EQ(failure(std::move(request)), HttpFailure::too_large);
}

TEST_F(HttpClientTest, gzip_is_decoded_when_asked_for) {
    RawServer server(RawServer::answer(ok(gzip("plain text"), "Content-Encoding: gzip\r\n")));
    auto request = get(server);
    request.accept_gzip = true;
    EXPECT_EQ(fetch(request).body, "plain text");
    request.accept_gzip = false;
    EXPECT_EQ(fetch(request).body, gzip("plain text"));
}

TEST_F(HttpClientTest, a_gzip_bomb_meets_the_cap) {
    const std::string bomb = gzip(std::string(32 << 20, '\0'));
    ASSERT_LT(bomb.size(), 64u * 1024);
    RawServer server(RawServer::answer(ok(bomb, "Content-Encoding: gzip\r\n")));
    auto request = get(server);
    request.accept_gzip = true;
    request.max_body_bytes = 1 << 20;
    EXPECT_EQ(failure(std::move(request)), HttpFailure::too_large);
}

TEST_F(HttpClientTest, a_flood_of_headers_is_refused) {
    RawServer server([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\n");
        while (connection.write("X-Flood: " + std::string(100, 'x') + "\r\n")) {
        }
    });
    EXPECT_EQ(failure(get(server)), HttpFailure::too_large);
    RawServer interim([](RawConnection& connection) {
        connection.read_request();
        while (connection.write("HTTP/1.1 100 Continue\r\n\r\n")) {
        }
    });
    EXPECT_EQ(failure(get(interim)), HttpFailure::too_large);
    RawServer one_line([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nX-Long: ");
        while (connection.write(std::string(1000, 'x'))) {
        }
    });
    EXPECT_EQ(failure(get(one_line)), HttpFailure::too_large);
}

TEST_F(HttpClientTest, a_stalled_body_fails_after_the_stall_timeout) {
    RawServer server([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        connection.wait_for_close(10s);
    });
    auto request = get(server);
    request.stall_timeout = 200ms;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(failure(std::move(request)), HttpFailure::stalled);
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GE(took, 200ms);
    EXPECT_LT(took, 5s);
}

TEST_F(HttpClientTest, a_slow_body_is_no_stall) {
    RawServer server([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for (int i = 0; i < 10 && connection.sleep(100ms); ++i)
            connection.write("x");
    });
    auto request = get(server);
    request.stall_timeout = 600ms;
    EXPECT_EQ(fetch(std::move(request)).body, "xxxxxxxxxx");
}

TEST_F(HttpClientTest, the_total_time_is_limited) {
    RawServer server([](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\n\r\n");
        while (connection.sleep(10ms) && connection.write("x")) {
        }
    });
    auto request = get(server);
    request.total_timeout = 200ms;
    EXPECT_EQ(failure(std::move(request)), HttpFailure::timeout);
}

TEST_F(HttpClientTest, nobody_listening_is_a_connect_failure) {
    std::string url;
    {
        RawServer gone(RawServer::answer(""));
        url = gone.url();
    }
    EXPECT_EQ(failure({.url = Url::parse(url).value()}), HttpFailure::connect);
}

TEST_F(HttpClientTest, an_address_that_is_not_allowed_is_never_connected) {
    RawServer server(RawServer::answer(ok("")));
    const UrlGuard strict({});
    HttpClient careful({.user_agent = "test/1"}, strict);
    EXPECT_EQ(failure_in(careful, get(server)), HttpFailure::blocked_address);
    const std::string by_name = "http://localhost:" + std::to_string(server.port()) + "/";
    EXPECT_EQ(failure_in(careful, {.url = Url::parse(by_name).value()}), HttpFailure::blocked_address);
    EXPECT_EQ(server.connections(), 0);
}

TEST_F(HttpClientTest, goes_through_the_proxy_that_is_set_when_the_guard_allows_the_host) {
    Recorder recorder;
    RawServer proxy(recorder.script(ok("by proxy")));
    const UrlGuard only_mirror({"mirror.example"});  // not the proxy: that one is the operator's choice
    HttpClient proxied({.user_agent = "test/1", .http_proxy = proxy.url(), .no_proxy = "direct.example"}, only_mirror);
    EXPECT_EQ(run_task(proxied.fetch({.url = Url::parse("http://mirror.example/x").value()})).body, "by proxy");
    EXPECT_THAT(recorder.last(), testing::StartsWith("GET http://mirror.example/x HTTP/1.1\r\n"));
    EXPECT_EQ(failure_in(proxied, {.url = Url::parse("http://10.0.0.1/x").value()}), HttpFailure::blocked_address);
}

TEST_F(HttpClientTest, a_tunnel_that_the_proxy_refuses_is_a_connect_failure) {
    RawServer proxy(RawServer::answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    HttpClient proxied({.user_agent = "test/1", .https_proxy = proxy.url()}, guard);
    EXPECT_EQ(failure_in(proxied, {.url = Url::parse("https://huggingface.co/").value()}), HttpFailure::connect);
}

TEST_F(HttpClientTest, proxies_of_the_environment_are_not_used) {
    RawServer proxy(RawServer::answer(ok("by proxy")));
    RawServer server(RawServer::answer(ok("direct")));
    ::setenv("http_proxy", proxy.url().c_str(), 1);
    const HttpResponse response = fetch(get(server));
    ::unsetenv("http_proxy");
    EXPECT_EQ(response.body, "direct");
}

TEST_F(HttpClientTest, plain_text_where_tls_was_expected_is_a_tls_failure) {
    RawServer server([](RawConnection& connection) {
        connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.wait_for_close(5s);
    });
    const std::string url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
    EXPECT_EQ(failure({.url = Url::parse(url).value()}), HttpFailure::tls);
}

TEST_F(HttpClientTest, errors_have_no_secrets) {
    RawServer server([](RawConnection& connection) { connection.read_request(); });
    auto request = get(server, "/path?Signature=hunter2");
    request.bearer = SecretString("hunter2");
    try {
        fetch(std::move(request));
        FAIL();
    } catch (const HttpError& e) {
        EXPECT_THAT(e.what(), Not(HasSubstr("hunter2")));
        EXPECT_THAT(e.what(), HasSubstr("/path"));
    }
}

TEST_F(HttpClientTest, cancelling_closes_the_connection_at_once) {
    using namespace asio::experimental::awaitable_operators;
    std::promise<bool> closed;
    RawServer server([&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello");
        closed.set_value(connection.wait_for_close(10s));
    });
    CollectingSink sink;
    const auto start = std::chrono::steady_clock::now();
    const auto first = run_task([](HttpClient& http, HttpRequest request, CollectingSink& into) -> Task<std::size_t> {
        const auto result = co_await (http.stream(std::move(request), into) || sleep_for(300ms));
        co_return result.index();
    }(client, get(server), sink));
    EXPECT_EQ(first, 1u);
    EXPECT_TRUE(closed.get_future().get());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    EXPECT_EQ(sink.body, "hello");
}

TEST_F(HttpClientTest, cancelling_gives_operation_aborted_and_ends_the_sink) {
    std::atomic<bool> stop = false;
    RawServer server([&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\n\r\n");
        while (!stop && connection.write(std::string(1000, 'x'))) {
        }
    });
    CollectingSink sink;
    asio::cancellation_signal cancel;
    std::exception_ptr error;
    int pieces_at_end = -1;
    auto request = get(server);
    request.max_body_bytes = SIZE_MAX;
    asio::co_spawn(loop, client.stream(std::move(request), sink),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, HttpResponse) {
                       error = e;
                       pieces_at_end = sink.pieces;
                   }));
    asio::steady_timer timer(loop, 100ms);
    timer.async_wait([&](auto) { cancel.emit(asio::cancellation_type::terminal); });
    loop.run_for(10s);
    ASSERT_TRUE(error);
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        EXPECT_EQ(e.code(), asio::error::operation_aborted);
    }
    EXPECT_GT(pieces_at_end, 0);
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(sink.pieces, pieces_at_end);
    stop = true;
}

TEST_F(HttpClientTest, cancelling_many_leaves_the_client_usable) {
    RawServer silent([](RawConnection& connection) { connection.wait_for_close(10s); });
    TaskGroup group(loop.get_executor());
    for (int i = 0; i < 50; ++i) {
        group.spawn("fetch", [](HttpClient& http, HttpRequest request) -> Task<> {
            co_await http.fetch(std::move(request));
        }(client, get(silent)));
    }
    run_task(loop, sleep_for(50ms));
    run_task(loop, group.stop());
    RawServer server(RawServer::answer(ok("fine")));
    EXPECT_EQ(run_task(loop, client.fetch(get(server))).body, "fine");
}

TEST_F(HttpClientTest, the_destructor_ends_what_is_running) {
    RawServer silent([](RawConnection& connection) { connection.wait_for_close(10s); });
    auto short_lived = std::make_unique<HttpClient>(HttpClient::Options{.user_agent = "test/1"}, guard);
    std::exception_ptr error;
    asio::cancellation_signal cancel;
    asio::co_spawn(loop, short_lived->fetch(get(silent)),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, HttpResponse) { error = e; }));
    loop.run_for(50ms);
    ASSERT_FALSE(error);
    short_lived.reset();
    cancel.emit(asio::cancellation_type::terminal);  // between the end and the resumption
    loop.restart();
    loop.run_for(5s);
    ASSERT_TRUE(error);
    EXPECT_THROW(std::rethrow_exception(error), boost::system::system_error);
}

}  // namespace llmm
