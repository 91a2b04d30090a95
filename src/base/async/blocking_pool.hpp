#pragma once
#include "base/async/task.hpp"

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {

namespace detail {

// Lets a Result travel through a completion handler without a default constructor.
template <class Result>
struct Outcome {
    std::optional<Result> value;
    std::exception_ptr error;
};

template <class Result, class Threads, class F>
Task<Result> run_blocking(Threads threads, F fn) {
    auto outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Outcome<Result>)>(
        [](auto handler, Threads where, F work) {
            // The guard travels back with the handler: once the loop has that, it may end, so nothing of this job
            // may touch the loop, or what the caller lent it, from the pool's thread afterwards.
            const auto executor = asio::get_associated_executor(handler);
            auto home = asio::make_work_guard(executor);
            asio::post(where, [executor, handler = std::move(handler), work = std::optional<F>(std::move(work)),
                               home = std::move(home)]() mutable {
                Outcome<Result> result;
                try {
                    result.value.emplace((*work)());
                } catch (...) {
                    result.error = std::current_exception();
                }
                work.reset();
                asio::post(executor, [handler = std::move(handler), result = std::move(result),
                                      home = std::move(home)]() mutable { handler(std::move(result)); });
            });
        },
        asio::use_awaitable, std::move(threads), std::move(fn));
    if (outcome.error) std::rethrow_exception(outcome.error);
    co_return std::move(*outcome.value);
}

template <class Threads, class F>
Task<std::invoke_result_t<F&>> run_on(Threads threads, F fn) {
    using Result = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<Result>) {
        co_await run_blocking<std::monostate>(std::move(threads), [fn = std::move(fn)]() mutable {
            fn();
            return std::monostate{};
        });
    } else {
        co_return co_await run_blocking<Result>(std::move(threads), std::move(fn));
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
