#pragma once
#include "base/async/task.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace llmm::test {

// For a T without a default constructor, which a completion handler would need.
template <class T>
Task<std::optional<T>> boxed(Task<T> task) {
    co_return co_await std::move(task);
}

// Runs the coroutine on the loop and gives what it returns or throws. After the deadline it is cancelled and
// the test fails with std::runtime_error.
template <class T>
T run_task(asio::io_context& loop, Task<T> task, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    using Value = std::conditional_t<std::is_void_v<T>, std::nullptr_t, T>;
    std::optional<Value> value;
    std::exception_ptr error;
    bool ended = false;
    asio::cancellation_signal cancellation;
    if constexpr (std::is_void_v<T>) {
        asio::co_spawn(loop, std::move(task),
                       asio::bind_cancellation_slot(cancellation.slot(), [&](std::exception_ptr e) {
                           error = e;
                           value.emplace();
                           ended = true;
                       }));
    } else {
        asio::co_spawn(
            loop, boxed(std::move(task)),
            asio::bind_cancellation_slot(cancellation.slot(), [&](std::exception_ptr e, std::optional<T> result) {
                error = e;
                value = std::move(result);
                ended = true;
            }));
    }
    const auto run_until_ended = [&](std::chrono::milliseconds limit) {
        loop.restart();
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!ended && loop.run_one_until(end) != 0) {
        }
    };
    run_until_ended(deadline);
    if (!ended) {
        cancellation.emit(asio::cancellation_type::terminal);
        run_until_ended(std::chrono::seconds(5));
        throw std::runtime_error(ended ? "the coroutine was over its deadline"
                                       : "the coroutine can't even be cancelled");
    }
    if (error) std::rethrow_exception(error);
    if constexpr (!std::is_void_v<T>) return std::move(*value);
}

// A loop for one task. It is never destroyed but used again: a thread that resumes somebody on it may still be on its
// way out of post() when the task has ended.
class BorrowedLoop {
  public:
    BorrowedLoop() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) free_.push_back(std::make_unique<asio::io_context>());
        loop_ = std::move(free_.back());
        free_.pop_back();
    }
    ~BorrowedLoop() {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(loop_));
    }
    BorrowedLoop(const BorrowedLoop&) = delete;
    BorrowedLoop& operator=(const BorrowedLoop&) = delete;
    asio::io_context& operator*() { return *loop_; }

  private:
    static inline std::mutex mutex_;
    static inline std::vector<std::unique_ptr<asio::io_context>> free_;
    std::unique_ptr<asio::io_context> loop_;
};

// On a loop of its own.
template <class T>
T run_task(Task<T> task, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    BorrowedLoop loop;
    return run_task(*loop, std::move(task), deadline);
}

}  // namespace llmm::test
