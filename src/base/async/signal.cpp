#include "base/async/signal.hpp"

#include "base/async/race.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace llmm {
namespace {

[[noreturn]] void throw_aborted() {
    throw boost::system::system_error(make_error_code(boost::asio::error::operation_aborted));
}

}  // namespace

Signal::Signal(asio::any_io_executor executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

void Signal::notify() {
    ++generation_;
    timer_.cancel();
}

Task<> Signal::wait() {
    const auto seen = generation_;
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (generation_ == seen) throw_aborted();  // not notified: the waiter itself was cancelled
}

Task<bool> Signal::wait_for(std::chrono::milliseconds limit) {
    co_return co_await race(wait(), sleep_for(limit)) == 0;
}

Task<> sleep_for(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace llmm
