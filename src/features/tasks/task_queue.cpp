#include "features/tasks/task_queue.hpp"

#include "base/async/race.hpp"
#include "base/log/log.hpp"
#include "base/process/process.hpp"

#include <random>
#include <unistd.h>

#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace llmm::tasks {

using namespace std::chrono_literals;

namespace {

// Names a worker so that a later run on the same machine can tell whether it still lives.
std::string worker_name(const ProcessIdentity& identity) {
    return fmt::format("{}/{}/{}", identity.boot_id, identity.pid, identity.start_ticks);
}

bool has_ended(const std::string& worker) {
    const auto first = worker.find('/'), second = worker.rfind('/');
    if (first == std::string::npos || first == second) return false;
    const auto self = identify_process(::getpid());
    if (!self || worker.substr(0, first) != self->boot_id)
        return false;  // another machine, or before a reboot: the lease tells
    const auto identity = identify_process(static_cast<pid_t>(std::atol(worker.c_str() + first + 1)));
    return !identity || worker_name(*identity) != worker;
}

std::chrono::milliseconds back_off(const TaskQueue::Timing& timing, int attempts) {
    auto delay = timing.first_retry;
    for (int i = 1; i < attempts && delay < timing.longest_retry; ++i)
        delay *= 2;
    delay = std::min(delay, timing.longest_retry);
    thread_local std::minstd_rand random{std::random_device{}()};
    return std::chrono::milliseconds(
        std::uniform_int_distribution<std::int64_t>(delay.count() / 2, delay.count())(random));
}

}  // namespace

bool is_transient(ErrorCode code) {
    switch (code) {
        case ErrorCode::hub_unreachable:
        case ErrorCode::hub_rate_limited:
        case ErrorCode::disk_full:
        case ErrorCode::scan_unavailable:
        case ErrorCode::overloaded:
        case ErrorCode::engine_timeout:
            return true;
        default:
            return false;
    }
}

// One task in work here. The signal ends its handler.
struct TaskQueue::Running {
    explicit Running(asio::any_io_executor executor) : interrupted(executor) {}
    Signal interrupted;
    bool cancelled = false;  // by somebody's wish
    bool lost = false;       // another worker has it
    std::optional<double> progress;
};

TaskQueue::TaskQueue(asio::any_io_executor executor, TaskStore& store, Timing timing)
    : executor_(executor), store_(store), timing_(timing), work_(executor), group_(executor) {
    const auto self = identify_process(::getpid());
    worker_ = self ? worker_name(*self) : make_uuid_v7();
}

void TaskQueue::add_kind(std::string kind, int parallel, TaskHandler handler) {
    kinds_[std::move(kind)] = Kind{.parallel = parallel, .handler = std::move(handler)};
}

Task<> TaskQueue::start() {
    std::vector<std::string> ended;
    for (const std::string& worker : co_await store_.workers()) {
        if (worker != worker_ && has_ended(worker)) ended.push_back(worker);
    }
    const int recovered = co_await store_.recover(ended);
    if (recovered > 0) log::info("took tasks back from a worker that ended", {{"tasks", recovered}});
    working_ = true;
    group_.spawn("task claims", claim_loop());
}

Task<> TaskQueue::stop() {
    stopping_ = true;
    working_ = false;
    co_await group_.stop();
}

void TaskQueue::wake() {
    work_.notify();
}

void TaskQueue::interrupt(const TaskId& id) {
    if (const auto place = running_.find(id); place != running_.end()) {
        place->second->cancelled = true;
        place->second->interrupted.notify();
    }
}

Task<> TaskQueue::claim_loop() {
    auto next_recovery = std::chrono::steady_clock::now() + timing_.lease;
    for (;;) {
        std::vector<std::string> free_kinds;
        for (const auto& [name, kind] : kinds_) {
            if (kind.running < kind.parallel) free_kinds.push_back(name);
        }
        std::optional<QueuedTask> task;
        std::string problem;
        try {
            if (std::chrono::steady_clock::now() > next_recovery) {
                co_await store_.recover({});
                next_recovery = std::chrono::steady_clock::now() + timing_.lease;
            }
            if (!free_kinds.empty()) task = co_await store_.claim(free_kinds, worker_, timing_.lease);
        } catch (const Error& error) {
            problem = describe(std::current_exception());
        }
        if (!problem.empty()) {
            log::warning("the queue can't be read", {{"error", problem}});
            co_await sleep_for(timing_.poll);
            continue;
        }
        if (task) {
            ++kinds_.at(task->kind).running;
            group_.spawn(task->kind, run(*std::move(task)));
        } else {
            co_await work_.wait_for(timing_.poll);
        }
    }
}

Task<> TaskQueue::run(QueuedTask task) {
    auto running = std::make_shared<Running>(executor_);
    running_[task.id] = running;
    const Claim claim{task.id, task.fence};
    const TaskRun seen{.task = task,
                       .last_attempt = task.attempts >= task.max_attempts,
                       .report_progress = [running](double progress) { running->progress = progress; }};
    std::exception_ptr failure;
    if (on_change) on_change(task);
    try {
        co_await race(kinds_.at(task.kind).handler(seen), keep_lease(claim, running));
    } catch (...) {
        failure = std::current_exception();
    }
    // The coroutine may itself have been cancelled by stop(); what is left to do must not be.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    running_.erase(task.id);
    --kinds_.at(task.kind).running;
    co_await conclude(task, *running, failure);
    work_.notify();
}

Task<> TaskQueue::keep_lease(Claim claim, std::shared_ptr<Running> running) {
    while (!running->cancelled && !running->lost) {
        if (co_await running->interrupted.wait_for(timing_.heartbeat)) continue;
        Refresh seen = Refresh::kept;
        try {
            seen = co_await store_.refresh(claim, timing_.lease, running->progress);
        } catch (const Error&) {
            continue;  // the lease outlives a few missed beats
        }
        running->cancelled |= seen == Refresh::cancel;
        running->lost |= seen == Refresh::lost;
    }
}

Task<> TaskQueue::conclude(const QueuedTask& task, const Running& running, std::exception_ptr failure) {
    const Claim claim{task.id, task.fence};
    try {
        if (running.lost) {
            log::warning("another worker has taken the task over", {{"task", task.id.str()}});
            co_return;
        }
        if (running.cancelled) {
            co_await store_.finish(claim, State::cancelled, std::nullopt, std::nullopt);
        } else if (!failure) {
            co_await store_.finish(claim, State::succeeded, std::nullopt, std::nullopt);
        } else if (stopping_) {
            co_await store_.release(claim, now(), false, std::nullopt, std::nullopt);
        } else {
            ErrorCode code = ErrorCode::internal;
            std::string message = "an unexpected error";
            int retry_after = 0;
            try {
                std::rethrow_exception(failure);
            } catch (const Error& error) {
                code = error.code();
                message = error.message().en;
                retry_after = error.retry_after();
            } catch (const std::exception& error) {
                message = error.what();
            }
            log::warning("a task failed", {{"task", task.id.str()},
                                           {"kind", task.kind},
                                           {"attempt", task.attempts},
                                           {"error", describe(failure)}});
            if (is_transient(code) && task.attempts < task.max_attempts) {
                const auto delay = std::max<std::chrono::milliseconds>(back_off(timing_, task.attempts),
                                                                       std::chrono::seconds(retry_after));
                co_await store_.release(claim, now() + delay, true, std::string(name_of(code)), message);
            } else {
                co_await store_.finish(claim, State::failed, std::string(name_of(code)), message);
            }
        }
        co_await tell(task.id);
    } catch (const Error&) {
        log::error("the end of a task could not be stored; its lease will run out",
                   {{"task", task.id.str()}, {"error", describe(std::current_exception())}});
    }
}

Task<> TaskQueue::tell(TaskId id) {
    if (!on_change) co_return;
    if (const auto task = co_await store_.find(id)) on_change(*task);
}

Task<QueuedTask> TaskQueue::enqueue_unique(NewTask task) {
    const TaskId id = co_await store_.enqueue_unique(std::move(task));
    work_.notify();
    co_await tell(id);
    co_return co_await get(id);
}

Task<QueuedTask> TaskQueue::get(TaskId id) {
    auto task = co_await store_.find(id);
    if (!task) fail(ErrorCode::task_not_found, "there is no task {}", "任务 {} 不存在", id.str());
    co_return *std::move(task);
}

Task<QueuedTask> TaskQueue::cancel(TaskId id) {
    co_await store_.cancel(id);
    interrupt(id);
    co_await tell(id);
    co_return co_await get(id);
}

Task<QueuedTask> TaskQueue::retry(TaskId id) {
    co_await store_.retry(id);
    work_.notify();
    co_await tell(id);
    co_return co_await get(id);
}

}  // namespace llmm::tasks
