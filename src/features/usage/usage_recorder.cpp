#include "features/usage/usage_recorder.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/usage/usage_store.hpp"

#include <memory>
#include <utility>

namespace llmm::usage {

UsageRecorder::UsageRecorder(asio::any_io_executor executor, UsageStore& store, std::filesystem::path journal,
                             Limits limits)
    : store_(store),
      limits_(limits),
      journal_(std::move(journal)),
      waiting_(journal_.take_left()),
      written_(executor),
      stopping_(executor),
      work_(executor) {}

void UsageRecorder::start() {
    work_.spawn("usage", write_now_and_then());
}

void UsageRecorder::begin(const Usage& row) {
    open_.insert(&row);
    journal_.begin(row);
}

void UsageRecorder::end(const Usage& row) {
    open_.erase(&row);
    journal_.end(row);
    if (waiting_.size() >= limits_.max_waiting) {
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(limits_.max_waiting / 10 + 1));
        dropped_ += limits_.max_waiting / 10 + 1;
    }
    waiting_.push_back(row);
}

Task<bool> UsageRecorder::write_once() {
    if (waiting_.empty()) co_return true;
    const auto rows = std::make_shared<const std::vector<Usage>>(std::exchange(waiting_, {}));
    writing_ = rows->size();
    std::exception_ptr failure;
    try {
        co_await store_.insert(rows);
    } catch (...) {
        failure = std::current_exception();
    }
    writing_ = 0;
    if (failure) {
        log::warning("usage could not be written yet", {{"rows", rows->size()}, {"error", describe(failure)}});
        waiting_.insert(waiting_.begin(), rows->begin(), rows->end());
    } else {
        shorten_journal();
    }
    if (const std::size_t lost = std::exchange(dropped_, 0)) log::error("usage rows were dropped", {{"rows", lost}});
    written_.notify();
    co_return !failure;
}

void UsageRecorder::shorten_journal() {
    const bool is_over = open_.empty() && waiting_.empty();
    if (!is_over && !journal_.is_long()) return;
    const std::vector<const Usage*> open(open_.begin(), open_.end());
    journal_.start_over(open, waiting_);
}

Task<> UsageRecorder::write_now_and_then() {
    while (!stopped_) {
        co_await stopping_.wait_for(limits_.interval);
        if (writing_ == 0) co_await write_once();
    }
}

Task<> UsageRecorder::flush() {
    while (writing_ > 0 || !waiting_.empty()) {
        if (writing_ > 0) {
            co_await written_.wait();
        } else if (!co_await write_once()) {
            co_return;
        }
    }
}

Task<> UsageRecorder::stop() {
    stopped_ = true;
    stopping_.notify();
    co_await work_.wait();
    co_await flush();
}

}  // namespace llmm::usage
