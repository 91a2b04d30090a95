#include "base/async/wakeup.hpp"

#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {

using boost::system::error_code;

void Wakeup::resume(error_code error, bool later) {
    if (!waiter_) {
        notified_ = notified_ || !error;
        return;
    }
    auto waiter = std::exchange(waiter_, {});  // the waiter may wait again while it is resumed
    waiter(error, later);
}

void Wakeup::notify() {
    resume({}, false);
}

void Wakeup::notify_later() {
    resume({}, true);
}

Task<> Wakeup::wait() {
    if (std::exchange(notified_, false)) co_return;
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(error_code)>(
        [this](auto handler) {
            const auto executor = asio::get_associated_executor(handler);
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) {
                slot.assign([this](asio::cancellation_type) { resume(asio::error::operation_aborted, true); });
            }
            waiter_ = [handler = std::move(handler), slot, work = asio::make_work_guard(executor)](error_code error,
                                                                                                   bool later) mutable {
                slot.clear();
                if (!later) return std::move(handler)(error);
                asio::post(work.get_executor(),
                           [handler = std::move(handler), error]() mutable { std::move(handler)(error); });
            };
        },
        asio::use_awaitable);
}

}  // namespace llmm
