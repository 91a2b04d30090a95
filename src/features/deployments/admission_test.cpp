#include "features/deployments/admission.hpp"

#include "base/async/race.hpp"
#include "base/async/task_group.hpp"
#include "base/error/error.hpp"
#include "support/event_loop.hpp"

#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using namespace std::chrono_literals;

Task<> stay(std::shared_ptr<Admission> door, std::string caller, std::vector<std::string>& order, Signal& until) {
    const auto permit = co_await door->enter(
        {.caller = caller, .deadline = Admission::Clock::now() + 10s, .interval = 10s, .told = {}});
    order.push_back(caller);
    co_await until.wait();
}

void run_loop(Task<> (*body)(asio::io_context&)) {
    test::EventLoop loop;
    loop.run(body(loop.context()));
}

Task<> settle() {
    co_await sleep_for(5ms);
}

}  // namespace

TEST(Admission, callers_take_turns_and_every_place_comes_back) {
    run_loop([](asio::io_context& loop) -> Task<> {
        const auto door = std::make_shared<Admission>(loop.get_executor(), 1, 100);
        std::vector<std::string> order;
        Signal next(loop.get_executor());
        TaskGroup work(loop.get_executor());
        for (const auto* caller : {"a", "a", "a", "b", "c"}) {
            work.spawn("stay", stay(door, caller, order, next));
            co_await settle();
        }
        EXPECT_EQ(door->inside(), 1u);
        EXPECT_EQ(door->waiting(), 4u);
        for (int i = 0; i < 5; ++i) {
            next.notify();
            co_await settle();
        }
        EXPECT_EQ(order, (std::vector<std::string>{"a", "a", "b", "c", "a"}));
        EXPECT_EQ(door->inside() + door->waiting(), 0u);
        co_await work.stop();
    });
}

TEST(Admission, who_gives_up_leaves_no_trace) {
    run_loop([](asio::io_context& loop) -> Task<> {
        const auto door = std::make_shared<Admission>(loop.get_executor(), 1, 100);
        std::vector<std::string> order;
        Signal never(loop.get_executor());
        {
            TaskGroup work(loop.get_executor());
            for (int i = 0; i < 20; ++i)
                work.spawn("stay", stay(door, i % 2 ? "a" : "b", order, never));
            co_await settle();
            EXPECT_EQ(door->waiting(), 19u);
            co_await work.stop();
        }
        EXPECT_EQ(door->inside() + door->waiting(), 0u);
    });
}

TEST(Admission, is_bounded_and_impatient) {
    run_loop([](asio::io_context& loop) -> Task<> {
        const auto door = std::make_shared<Admission>(loop.get_executor(), 1, 1);
        const auto inside = door->try_enter();
        EXPECT_TRUE(inside);
        std::vector<std::size_t> told;
        std::optional<ErrorCode> late, full;
        int retry_after = 0;
        std::vector<std::string> order;
        Signal never(loop.get_executor());
        TaskGroup work(loop.get_executor());
        work.spawn("stay", stay(door, "a", order, never));
        co_await settle();
        try {
            co_await door->enter(
                {.caller = "b", .deadline = Admission::Clock::now() + 10s, .interval = 10s, .told = {}});
        } catch (const Error& error) {
            full = error.code();
            retry_after = error.retry_after();
        }
        EXPECT_EQ(full, ErrorCode::rate_limited);
        EXPECT_GT(retry_after, 0);
        co_await work.stop();
        try {
            co_await door->enter({.caller = "b",
                                  .deadline = Admission::Clock::now() + 30ms,
                                  .interval = 5ms,
                                  .told = [&told](std::size_t position) {
                                      told.push_back(position);
                                      return sleep_for(1ms);
                                  }});
        } catch (const Error& error) {
            late = error.code();
        }
        EXPECT_EQ(late, ErrorCode::overloaded);
        EXPECT_FALSE(told.empty());
        EXPECT_EQ(told.empty() ? 0 : told.front(), 1u);
    });
}

}  // namespace llmm::deployments
