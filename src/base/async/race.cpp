#include "base/async/race.hpp"

#include <array>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {

Task<std::size_t> race(Task<> a, Task<> b) {
    const auto executor = co_await asio::this_coro::executor;
    const auto [order, error_a, error_b] =
        co_await asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(a), asio::deferred),
                                                         asio::co_spawn(executor, std::move(b), asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    const std::exception_ptr first = order[0] == 0 ? error_a : error_b;
    if (first) std::rethrow_exception(first);
    co_return order[0];
}

}  // namespace llmm
