#include "base/async/task_group.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"

#include <cassert>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>

namespace llmm {

struct TaskGroup::Member {
    std::string name;
    asio::cancellation_signal cancellation;
};

namespace {

bool is_cancellation(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code() == asio::error::operation_aborted;
    } catch (const Error& e) {
        return e.code() == ErrorCode::cancelled;
    } catch (...) {
        return false;
    }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor) : executor_(executor), changed_(executor) {}

TaskGroup::~TaskGroup() {
    assert(size_ == 0 && "stop() was not awaited");
}

void TaskGroup::spawn(std::string_view name, Task<> task) {
    if (stopping_) return;
    auto member = std::make_shared<Member>();
    member->name = name;
    members_.push_front(member);
    const auto place = members_.begin();
    ++size_;
    asio::co_spawn(
        executor_, std::move(task),
        asio::bind_cancellation_slot(member->cancellation.slot(), [this, place, member](std::exception_ptr error) {
            if (error && !is_cancellation(error)) {
                log::error("background work failed", {{"task", member->name}, {"error", describe(error)}});
            }
            members_.erase(place);
            --size_;
            changed_.notify();
        }));
}

void TaskGroup::cancel() {
    const auto members = members_;  // an emit may end a member, which takes it out of the list
    for (const auto& member : members)
        member->cancellation.emit(asio::cancellation_type::terminal);
}

Task<> TaskGroup::wait() {
    while (size_ > 0)
        co_await changed_.wait();
}

Task<> TaskGroup::stop() {
    stopping_ = true;
    cancel();
    co_await wait();
}

}  // namespace llmm
