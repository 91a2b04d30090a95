#include "base/async/wakeup.hpp"

#include "base/async/signal.hpp"
#include "base/async/task_group.hpp"
#include "base/async/ticker.hpp"
#include "support/event_loop.hpp"

#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;

Task<> wait_and_count(Wakeup& wakeup, int& count) {
    for (;;) {
        co_await wakeup.wait();
        ++count;
    }
}

Task<> notice(asio::io_context& loop, int& before, int& after, int& later) {
    Wakeup wakeup;
    int count = 0;
    wakeup.notify();
    wakeup.notify();  // remembered once
    TaskGroup work(loop.get_executor());
    work.spawn("waiter", wait_and_count(wakeup, count));
    co_await sleep_for(1ms);
    before = count;
    wakeup.notify();
    after = count;
    wakeup.notify_later();
    co_await sleep_for(1ms);
    later = count;
    co_await work.stop();
    wakeup.notify();  // nobody waits any more
}

class Alarm final : public Ticker {
  public:
    using Ticker::Ticker;
    int rung = 0;

  private:
    void on_time() override {
        if (++rung < 3) expect_in(1ms);
    }
};

Task<> ring(asio::io_context& loop, int& rung, int& quiet) {
    Alarm alarm(loop.get_executor()), silent(loop.get_executor());
    alarm.expect_in(1ms);
    silent.expect_in(1ms);
    silent.expect_nothing();
    while (alarm.rung < 3)
        co_await sleep_for(5ms);
    co_await sleep_for(60ms);
    rung = alarm.rung;
    quiet = silent.rung;
}

}  // namespace

TEST(Wakeup, remembers_resumes_and_can_be_cancelled) {
    test::EventLoop loop;
    int before = 0, after = 0, later = 0;
    loop.run(notice(loop.context(), before, after, later));
    EXPECT_EQ(before, 1);
    EXPECT_EQ(after, 2);
    EXPECT_EQ(later, 3);
}

TEST(Ticker, rings_once_for_each_wish) {
    test::EventLoop loop;
    int rung = 0, quiet = 0;
    loop.run(ring(loop.context(), rung, quiet));
    EXPECT_EQ(rung, 3);
    EXPECT_EQ(quiet, 0);
}

}  // namespace llmm
