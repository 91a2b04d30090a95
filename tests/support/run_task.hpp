#pragma once
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/async/task.hpp"

namespace llmm::test {

// Runs one coroutine on an event loop of its own, on this thread, and gives its result or exception. Throws
// std::runtime_error when it takes longer than any test should.
template <class T>
T run_task(Task<T> task, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    asio::io_context context;
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> result;
    if constexpr (std::is_void_v<T>) {
        asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown) {
            error = thrown;
            result.emplace();
        });
    } else {
        asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
            error = thrown;
            result.emplace(std::move(value));
        });
    }
    context.run_for(limit);
    if (!result) throw std::runtime_error("the coroutine of this test does not end");
    if (error) std::rethrow_exception(error);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace llmm::test
