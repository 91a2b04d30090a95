#include "base/async/blocking_pool.hpp"

#include <exception>
#include <pthread.h>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {

Task<> detail::run_job(asio::any_io_executor threads, Job job) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
        [](auto handler, const asio::any_io_executor& where, Job work) {
            // The guard travels back with the handler: once the loop has that, it may end, so nothing of this job
            // may touch the loop, or what the caller lent it, from the pool's thread afterwards.
            const auto executor = asio::get_associated_executor(handler);
            auto home = asio::make_work_guard(executor);
            asio::post(where, [executor, handler = std::move(handler), work = std::move(work),
                               home = std::move(home)]() mutable {
                std::exception_ptr error;
                try {
                    work();
                } catch (...) {
                    error = std::current_exception();
                }
                work = nullptr;
                asio::post(executor, [handler = std::move(handler), error = std::move(error),
                                      home = std::move(home)]() mutable { handler(std::move(error)); });
            });
        },
        asio::use_awaitable, std::move(threads), std::move(job));
}

BlockingPool::BlockingPool(std::string name, std::size_t threads) : threads_(threads) {
    name.resize(std::min<std::size_t>(name.size(), 15));  // the kernel's limit (TASK_COMM_LEN)
    for (std::size_t i = 0; i < threads; ++i) {
        asio::post(threads_, [name] { pthread_setname_np(pthread_self(), name.c_str()); });
    }
}

BlockingPool::~BlockingPool() {
    join();
}

void BlockingPool::join() {
    threads_.join();
}

}  // namespace llmm
