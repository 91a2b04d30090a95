#include "base/async/blocking_pool.hpp"
#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/async/task_group.hpp"

#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;

// Runs one coroutine to its end on a loop of its own.
void run_loop(Task<> (*body)(asio::io_context&)) {
    asio::io_context loop;
    std::exception_ptr failure;
    asio::co_spawn(loop, body(loop), [&](std::exception_ptr error) { failure = error; });
    loop.run_for(10s);
    if (failure) std::rethrow_exception(failure);
    ASSERT_TRUE(loop.stopped()) << "the coroutine did not end within 10 s";
}

Task<> throw_soon() {
    co_await sleep_for(1ms);
    throw std::runtime_error("first");
}

Task<> note_cancellation(bool& cancelled) {
    try {
        co_await sleep_for(1h);
    } catch (const boost::system::system_error&) {
        cancelled = true;
        throw;
    }
}

}  // namespace

TEST(Race, an_exception_of_the_first_ends_the_other_and_is_thrown) {
    run_loop([](asio::io_context&) -> Task<> {
        bool cancelled = false, thrown = false;
        try {
            co_await race(throw_soon(), note_cancellation(cancelled));
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_TRUE(cancelled);
    });
}

TEST(Race, tells_which_was_first) {
    run_loop([](asio::io_context&) -> Task<> {
        EXPECT_EQ(co_await race(sleep_for(1h), sleep_for(1ms)), 1u);
        EXPECT_EQ(co_await race(sleep_for(1ms), sleep_for(1h)), 0u);
    });
}

TEST(Signal, wakes_every_waiter_and_reports_a_deadline) {
    run_loop([](asio::io_context& loop) -> Task<> {
        Signal signal(loop.get_executor());
        EXPECT_FALSE(co_await signal.wait_for(1ms));
        asio::post(loop, [&] { signal.notify(); });
        EXPECT_TRUE(co_await signal.wait_for(5s));
    });
}

TEST(TaskGroup, stop_cancels_what_runs_and_waits_for_it) {
    run_loop([](asio::io_context& loop) -> Task<> {
        TaskGroup group(loop.get_executor());
        bool first = false, second = false;
        group.spawn("first", note_cancellation(first));
        group.spawn("second", note_cancellation(second));
        group.spawn("failing", throw_soon());
        co_await sleep_for(5ms);
        EXPECT_EQ(group.size(), 2u);
        co_await group.stop();
        EXPECT_TRUE(first && second);
        EXPECT_EQ(group.size(), 0u);
    });
}

TEST(BlockingPool, brings_results_and_exceptions_back_to_the_loop) {
    run_loop([](asio::io_context&) -> Task<> {
        BlockingPool pool("test", 2);
        const auto here = std::this_thread::get_id();
        EXPECT_EQ(co_await pool.run([] { return 42; }), 42);
        EXPECT_EQ(std::this_thread::get_id(), here);
        bool thrown = false;
        try {
            co_await pool.run([] { throw std::runtime_error("no"); });
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
    });
}

}  // namespace llmm
