#pragma once
#include "base/async/task.hpp"

#include <functional>

#include <boost/system/error_code.hpp>

namespace llmm {

// One coroutine of a loop waits for something that happens on the same loop. Unlike Signal it remembers a notification
// that comes too early, and it costs no timer.
class Wakeup {
  public:
    Wakeup() = default;
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    // Resumes the waiter inside this call, which must be the last thing that its caller does.
    void notify();
    // Resumes it from the loop, after the caller.
    void notify_later();
    // Forgets a notification that nobody has seen.
    void reset() { notified_ = false; }
    // Throws boost::system::system_error(operation_aborted) when the waiter is cancelled.
    Task<> wait();

  private:
    using Waiter = std::move_only_function<void(boost::system::error_code, bool later)>;
    void resume(boost::system::error_code error, bool later);

    Waiter waiter_;
    bool notified_ = false;
};

}  // namespace llmm
