#include "base/net/http_client.hpp"
#include "support/http_client_fixture.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;
using test::HttpClientTest;
using test::ok;
using test::RawConnection;
using test::RawServer;
using test::Recorder;
using test::run_task;
using testing::HasSubstr;
using testing::Not;

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

}  // namespace

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

}  // namespace llmm
