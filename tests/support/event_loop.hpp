#pragma once
#include "base/async/task.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace llmm::test {

// An event loop on the thread of the test.
class EventLoop {
  public:
    asio::io_context& context() { return context_; }
    asio::any_io_executor executor() { return context_.get_executor(); }

    // Runs the loop until the coroutine has ended; its result or exception is the caller's. Throws
    // std::runtime_error when it takes longer than any test should.
    template <class T>
    T run(Task<T> task, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
        std::exception_ptr error;
        std::optional<T> result;
        bool ended = false;
        asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown, T value) {
            error = thrown;
            result.emplace(std::move(value));
            ended = true;
        });
        run_until(ended, limit);
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }

    void run(Task<> task, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
        std::exception_ptr error;
        bool ended = false;
        asio::co_spawn(context_, std::move(task), [&](std::exception_ptr thrown) {
            error = thrown;
            ended = true;
        });
        run_until(ended, limit);
        if (error) std::rethrow_exception(error);
    }

  private:
    void run_until(const bool& ended, std::chrono::milliseconds limit) {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        context_.restart();
        while (!ended) {
            if (context_.run_one_until(deadline) == 0)
                throw std::runtime_error("the coroutine of this test does not end");
        }
    }

    asio::io_context context_;
};

}  // namespace llmm::test
