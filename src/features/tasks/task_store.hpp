#pragma once
#include "base/async/task.hpp"
#include "features/tasks/task.hpp"
#include "storage/database.hpp"
#include "storage/page.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace llmm::tasks {

struct TaskQuery {
    std::optional<State> state;
    std::string kind;  // empty: all
    std::string sort = "-created_at";
    int limit = 50;
    std::string cursor;
};

// Puts a task into the queue inside the caller's transaction, so that a business row and its task are there together or
// not at all. Throws STATE_CONFLICT when a live task holds the unique key.
TaskId enqueue(storage::Session& session, const NewTask& task, TimePoint now);
// Marks a live task cancelled (queued) or to be cancelled (running), inside the caller's transaction.
void request_cancel(storage::Session& session, const TaskId& id, TimePoint now);

// What a worker holds: writes with another fence than the row's are refused.
struct Claim {
    TaskId id;
    std::int64_t fence = 0;
};

enum class Refresh { kept, cancel, lost };

class TaskStore {
  public:
    explicit TaskStore(storage::Database& database) : database_(database) {}

    Task<storage::Page<QueuedTask>> list(TaskQuery query);
    Task<std::optional<QueuedTask>> find(TaskId id);
    Task<TaskId> enqueue_unique(NewTask task);
    // Makes an ended task queued again. STATE_CONFLICT for one that succeeded.
    Task<> retry(TaskId id);
    Task<> cancel(TaskId id);

    // The next due task of one of the kinds, now running and leased to the worker.
    Task<std::optional<QueuedTask>> claim(std::vector<std::string> kinds, std::string worker,
                                          std::chrono::milliseconds lease);
    // Prolongs the lease.
    Task<Refresh> refresh(Claim claim, std::chrono::milliseconds lease, std::optional<double> progress);
    // False when the fence is old: somebody else has the task now.
    Task<bool> finish(Claim claim, State state, std::optional<std::string> error_code,
                      std::optional<std::string> error_message);
    // Back into the queue, not before `run_at`. counted: this attempt counts.
    Task<bool> release(Claim claim, TimePoint run_at, bool counted, std::optional<std::string> error_code,
                       std::optional<std::string> error_message);
    // Takes tasks back from workers that are gone: their lease is over, or `worker_ended` (of this machine) says so. A
    // task that lost its worker three times is dead. Answers how many were taken back.
    Task<int> recover(std::vector<std::string> ended_workers);
    // Workers that hold running tasks now.
    Task<std::vector<std::string>> workers();

  private:
    storage::Database& database_;
};

}  // namespace llmm::tasks
