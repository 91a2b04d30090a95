#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/error/error.hpp"
#include "base/events/event_bus.hpp"
#include "features/tasks/task_store.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace llmm::tasks {

// What a handler sees of the task it works on.
struct TaskRun {
    const QueuedTask& task;
    bool last_attempt = false;
    // 0..1; reaches the row with the next heartbeat.
    std::function<void(double)> report_progress;
};
using TaskHandler = std::function<Task<>(const TaskRun&)>;

// Errors after which the same work may well succeed later: the far side or the disk was at fault.
bool is_transient(ErrorCode code);

// The queue and the worker inside this process. A handler that returns has succeeded; one that throws a transient Error
// is tried again with jittered back-off while attempts are left; cancellation reaches it as the cancellation of its
// coroutine. Used from the event loop only.
class TaskQueue {
  public:
    struct Timing {
        std::chrono::milliseconds lease{15'000};
        std::chrono::milliseconds heartbeat{5'000};
        std::chrono::milliseconds poll{1'000};         // for tasks that other processes add or that become due
        std::chrono::milliseconds first_retry{1'000};  // doubles, with jitter
        std::chrono::milliseconds longest_retry{60'000};
    };
    TaskQueue(asio::any_io_executor executor, TaskStore& store, Timing timing);

    void add_kind(std::string kind, int parallel, TaskHandler handler);
    // Called after every change of a task, for telling others.
    std::function<void(const QueuedTask&)> on_change;

    // Takes back what an earlier run of this program left running, then begins to work.
    Task<> start();
    // Running tasks are cancelled and go back into the queue, the attempt not counted.
    Task<> stop();
    bool is_working() const { return working_; }

    void wake();  // after enqueue()
    // The task that now works for the unique key: a new one, or the live one that holds it.
    Task<QueuedTask> enqueue_unique(NewTask task);
    Task<storage::Page<QueuedTask>> list(TaskQuery query) { return store_.list(std::move(query)); }
    Task<QueuedTask> get(TaskId id);  // TASK_NOT_FOUND
    Task<QueuedTask> cancel(TaskId id);
    Task<QueuedTask> retry(TaskId id);
    // Cancels at once what runs here; a task elsewhere hears of it with its heartbeat.
    void interrupt(const TaskId& id);

  private:
    struct Kind {
        int parallel = 1;
        int running = 0;
        TaskHandler handler;
    };
    struct Running;

    Task<> claim_loop();
    Task<> run(QueuedTask task);
    // Prolongs the lease; ends when the task is to be given up.
    Task<> keep_lease(Claim claim, std::shared_ptr<Running> running);
    Task<> conclude(const QueuedTask& task, const Running& running, std::exception_ptr failure);
    Task<> tell(TaskId id);

    asio::any_io_executor executor_;
    TaskStore& store_;
    Timing timing_;
    std::string worker_;
    std::map<std::string, Kind> kinds_;
    std::map<TaskId, std::shared_ptr<Running>> running_;
    Signal work_;
    TaskGroup group_;
    bool working_ = false;
    bool stopping_ = false;
};

}  // namespace llmm::tasks
