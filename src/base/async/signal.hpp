#pragma once
#include "base/async/task.hpp"

#include <chrono>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace llmm {

// A condition that coroutines of one loop wait for. There is no memory: wait() sees only later notifications, so
// the waiter checks its condition before each wait.
class Signal {
  public:
    explicit Signal(asio::any_io_executor executor);

    void notify();  // wakes all waiters
    Task<> wait();
    // True when notified, false when the time is over.
    Task<bool> wait_for(std::chrono::milliseconds limit);

  private:
    asio::steady_timer timer_;
    std::uint64_t generation_ = 0;
};

// Ends early, with boost::system::system_error(operation_aborted), when the coroutine is cancelled.
Task<> sleep_for(std::chrono::milliseconds time);

}  // namespace llmm
