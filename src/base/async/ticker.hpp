#pragma once
#include "base/async/task.hpp"

#include <chrono>

#include <boost/asio/any_io_executor.hpp>

namespace llmm {

class TickerService;

// A deadline that is looked at a few times a second. Moving it costs a store, where a timer of the loop costs several
// operations and a system call; that matters for what happens with every request. Used from one event loop.
class Ticker {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kPrecision{25};

    explicit Ticker(const asio::any_io_executor& executor);
    virtual ~Ticker();
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;

    void expect_at(Clock::time_point time);
    void expect_in(std::chrono::milliseconds time) { expect_at(Clock::now() + time); }
    void expect_nothing() { time_ = Clock::time_point::max(); }

  protected:
    // The time has come; called once for each expect. May destroy this.
    virtual void on_time() = 0;

  private:
    friend class TickerService;
    TickerService* service_;  // of the loop
    Ticker* previous_ = nullptr;
    Ticker* next_ = nullptr;
    Clock::time_point time_ = Clock::time_point::max();
};

}  // namespace llmm
