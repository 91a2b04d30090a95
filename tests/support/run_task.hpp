#pragma once
#include "base/async/task.hpp"

#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

namespace llmm::test {

// Not the coroutine's own completion: that needs a T with a default constructor.
template <class T>
Task<> store_result(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
}

// Runs the loop until it has nothing left to do and gives the coroutine's result or exception.
template <class T>
T run_task(asio::io_context& loop, Task<T> task) {
    std::optional<T> result;
    auto done = asio::co_spawn(loop, store_result(std::move(task), result), asio::use_future);
    loop.restart();
    loop.run();
    done.get();
    return std::move(*result);
}

}  // namespace llmm::test
