#include "base/async/signal.hpp"
#include "base/async/task_group.hpp"
#include "base/net/http_client.hpp"
#include "support/http_client_fixture.hpp"

#include <future>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;
using test::CollectingSink;
using test::HttpClientTest;
using test::ok;
using test::RawConnection;
using test::RawServer;
using test::run_task;

}  // namespace

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
