#pragma once
#include "base/async/task.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

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

// On a loop that all such calls of a thread share: it has to outlive the threads that resume on it, which may still be
// on their way out of post() when the coroutine has ended.
template <class T>
T run_task(Task<T> task, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    thread_local asio::io_context loop;
    return run_task(loop, std::move(task), deadline);
}

}  // namespace llmm::test
