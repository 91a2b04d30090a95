#include "base/net/http_client.hpp"

#include "base/async/task_group.hpp"
#include "support/http_client_fixture.hpp"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;
using test::CollectingSink;
using test::HttpClientTest;
using test::ok;
using test::RawConnection;
using test::RawServer;
using test::Recorder;
using test::run_task;
using testing::HasSubstr;
using testing::Not;

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

// At 400 KB/s; the connection stays open, so that only the client can know when all is there.
TEST_F(HttpClientTest, a_sink_can_pause_the_connection) {
    const std::string body(120'000, 'b');
    Recorder recorder;
    RawServer server(recorder.script(ok(body)));
    struct Sink : CollectingSink {
        std::chrono::milliseconds pause() override {
            const auto due = start + std::chrono::milliseconds(body.size() / 400);
            const auto now = std::chrono::steady_clock::now();
            return now < due ? std::chrono::duration_cast<std::chrono::milliseconds>(due - now) + 1ms : 0ms;
        }
        const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    } sink;
    auto request = get(server);
    request.buffer_bytes = 40'000;
    request.stall_timeout = 5s;
    run_task(client.stream(std::move(request), sink));
    EXPECT_EQ(sink.body, body);
    const auto time = std::chrono::steady_clock::now() - sink.start;
    EXPECT_GE(time, 200ms);
    EXPECT_LT(time, 4s);
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

}  // namespace llmm
