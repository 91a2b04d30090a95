#pragma once
#include "base/async/task.hpp"

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

namespace llmm {

namespace detail {

// Of one type for every job, so that Asio's machinery is compiled once and not for each lambda.
using Job = std::move_only_function<void()>;
Task<> run_job(asio::any_io_executor threads, Job job);

// The result waits in this coroutine's frame, which lives until the job has come back.
template <class F>
Task<std::invoke_result_t<F&>> run_on(asio::any_io_executor threads, F fn) {
    using Result = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<Result>) {
        co_await run_job(std::move(threads), std::move(fn));
    } else {
        std::optional<Result> result;
        co_await run_job(std::move(threads), [&fn, &result] { result.emplace(fn()); });
        co_return std::move(*result);
    }
}

}  // namespace detail

// Named threads for work that blocks: database, hashing, files. The destructor waits for what was started.
class BlockingPool {
  public:
    BlockingPool(std::string name, std::size_t threads);
    ~BlockingPool();
    BlockingPool(const BlockingPool&) = delete;
    BlockingPool& operator=(const BlockingPool&) = delete;

    // Runs fn on a thread of the pool and resumes the caller on its own executor with the result or the exception.
    // Can't be cancelled: work that takes long looks at a flag of its own. fn and all it refers to must live until
    // then, which holds when the caller awaits, as it must.
    template <class F>
    Task<std::invoke_result_t<F&>> run(F fn) {
        return detail::run_on(threads_.get_executor(), std::move(fn));
    }

    void join();

  private:
    friend class BlockingQueue;
    asio::thread_pool threads_;
};

// Jobs that run on a pool one after the other, in the order in which they were given.
class BlockingQueue {
  public:
    explicit BlockingQueue(BlockingPool& pool) : strand_(pool.threads_.get_executor()) {}

    // Resumes when everything given before has run, too.
    template <class F>
    Task<std::invoke_result_t<F&>> run(F fn) {
        return detail::run_on(strand_, std::move(fn));
    }
    // From any thread. Nobody hears of the end: whoever posts awaits a later run() before what fn refers to goes away.
    // fn throws nothing.
    template <class F>
    void post(F fn) {
        asio::post(strand_, std::move(fn));
    }

  private:
    asio::strand<asio::thread_pool::executor_type> strand_;
};

}  // namespace llmm
