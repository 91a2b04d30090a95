#include "features/tasks/task_store.hpp"

#include "base/error/error.hpp"
#include "storage/list_query.hpp"

#include <fmt/format.h>

namespace llmm::tasks {

using storage::Params;
using storage::Row;
using storage::Session;

namespace {

constexpr int kMaxLostLeases = 3;  // design: "a task that loses its lease three times is dead"

constexpr std::string_view kColumns =
    "id, kind, subject, state, priority, run_at, attempts, max_attempts, fence, cancel_requested, progress, "
    "error_code, "
    "error_message, created_at, updated_at";
constexpr std::size_t kColumnCount = 15;
constexpr storage::SortField kSortFields[] = {{"created_at", "created_at"}, {"updated_at", "updated_at"}};

QueuedTask from_row(const Row& row) {
    return {.id = TaskId::trusted(row.text(0)),
            .kind = row.text(1),
            .subject = row.optional_text(2).value_or(""),
            .state = parse_state(row.text(3)).value_or(State::failed),
            .priority = static_cast<int>(row.int64(4)),
            .run_at = row.time(5),
            .attempts = static_cast<int>(row.int64(6)),
            .max_attempts = static_cast<int>(row.int64(7)),
            .fence = row.int64(8),
            .cancel_requested = row.boolean(9),
            .progress = row.optional_number(10),
            .error_code = row.optional_text(11),
            .error_message = row.optional_text(12),
            .created_at = row.time(13),
            .updated_at = row.time(14)};
}

std::optional<QueuedTask> find_task(Session& session, const TaskId& id) {
    static const std::string text = fmt::format("SELECT {} FROM tasks WHERE id = ?", kColumns);
    return session.query_one(text, from_row, id);
}

[[noreturn]] void refuse(const QueuedTask& task) {
    throw Error(
        ErrorCode::state_conflict,
        Text::format("the task is {}; that can't be done now", "任务处于 {} 状态，无法执行该操作", name_of(task.state)),
        {{"state", std::string(name_of(task.state))}});
}

QueuedTask require(Session& session, const TaskId& id) {
    auto task = find_task(session, id);
    if (!task) fail(ErrorCode::task_not_found, "there is no task {}", "任务 {} 不存在", id.str());
    return *std::move(task);
}

}  // namespace

TaskId enqueue(Session& session, const NewTask& task, TimePoint now) {
    const TaskId id = TaskId::generate();
    const std::optional<std::string> key = task.unique_key.empty() ? std::nullopt : std::optional(task.unique_key);
    try {
        session.execute(
            "INSERT INTO tasks (id, kind, subject, state, priority, run_at, max_attempts, unique_key, created_at, "
            "updated_at) "
            "VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
            id, task.kind, task.subject, task.priority, now, task.max_attempts, key, now, now);
    } catch (const Error& error) {
        if (!storage::is_unique_violation(error)) throw;
        throw Error(ErrorCode::state_conflict, Text{"this work is already in the queue", "该工作已在队列中"},
                    {{"state", std::string("queued")}});
    }
    return id;
}

void request_cancel(Session& session, const TaskId& id, TimePoint now) {
    session.execute(
        "UPDATE tasks SET state = 'cancelled', unique_key = NULL, updated_at = ? WHERE id = ? AND state = 'queued'",
        now, id);
    session.execute("UPDATE tasks SET cancel_requested = 1, updated_at = ? WHERE id = ? AND state = 'running'", now,
                    id);
}

Task<storage::Page<QueuedTask>> TaskStore::list(TaskQuery query) {
    co_return co_await database_.read([query](Session& session) {
        storage::ListQuery list(kColumns, kColumnCount, "tasks", kSortFields, query.sort, query.limit, query.cursor);
        if (query.state) list.where("state = ?", name_of(*query.state));
        if (!query.kind.empty()) list.where("kind = ?", query.kind);
        return list.run(session, from_row);
    });
}

Task<std::optional<QueuedTask>> TaskStore::find(TaskId id) {
    co_return co_await database_.read([id](Session& session) { return find_task(session, id); });
}

Task<TaskId> TaskStore::enqueue_unique(NewTask task) {
    co_return co_await database_.write([task](Session& session) {
        const auto live = session.query_one(
            "SELECT id FROM tasks WHERE unique_key = ?", [](const Row& row) { return TaskId::trusted(row.text(0)); },
            task.unique_key);
        return live ? *live : enqueue(session, task, now());
    });
}

Task<> TaskStore::retry(TaskId id) {
    co_await database_.write([id](Session& session) {
        const QueuedTask task = require(session, id);
        if (task.state == State::queued || task.state == State::running) return;
        if (task.state == State::succeeded) refuse(task);
        session.execute(
            "UPDATE tasks SET state = 'queued', run_at = ?, attempts = 0, lost_leases = 0, cancel_requested = 0, "
            "progress = NULL, error_code = NULL, error_message = NULL, updated_at = ? WHERE id = ?",
            now(), now(), id);
    });
}

Task<> TaskStore::cancel(TaskId id) {
    co_await database_.write([id](Session& session) {
        const QueuedTask task = require(session, id);
        if (task.state == State::succeeded || task.state == State::failed || task.state == State::dead) refuse(task);
        request_cancel(session, id, now());
    });
}

Task<std::optional<QueuedTask>> TaskStore::claim(std::vector<std::string> kinds, std::string worker,
                                                 std::chrono::milliseconds lease) {
    co_return co_await database_.write([kinds, worker, lease](Session& session) -> std::optional<QueuedTask> {
        std::string marks;
        Params params{now()};
        for (const std::string& kind : kinds) {
            marks += marks.empty() ? "?" : ", ?";
            params.push_back(kind);
        }
        const bool postgres = session.dialect() == storage::Dialect::postgresql;
        const auto id = session.query_one(
            fmt::format("SELECT id FROM tasks WHERE state = 'queued' AND run_at <= ? AND kind IN ({}) "
                        "ORDER BY priority DESC, run_at, id LIMIT 1{}",
                        marks, postgres ? " FOR UPDATE SKIP LOCKED" : ""),
            [](const Row& row) { return TaskId::trusted(row.text(0)); }, params);
        if (!id) return std::nullopt;
        session.execute(
            "UPDATE tasks SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = ?, lease_until = "
            "?, "
            "error_code = NULL, error_message = NULL, updated_at = ? WHERE id = ?",
            worker, now() + lease, now(), *id);
        return find_task(session, *id);
    });
}

Task<Refresh> TaskStore::refresh(Claim claim, std::chrono::milliseconds lease, std::optional<double> progress) {
    co_return co_await database_.write([=](Session& session) {
        const auto changed = session.execute(
            "UPDATE tasks SET lease_until = ?, progress = COALESCE(?, progress), updated_at = ? "
            "WHERE id = ? AND fence = ? AND state = 'running'",
            now() + lease, progress, now(), claim.id, claim.fence);
        if (changed == 0) return Refresh::lost;
        return require(session, claim.id).cancel_requested ? Refresh::cancel : Refresh::kept;
    });
}

Task<bool> TaskStore::finish(Claim claim, State state, std::optional<std::string> error_code,
                             std::optional<std::string> error_message) {
    co_return co_await database_.write([=](Session& session) {
        return session.execute(
                   "UPDATE tasks SET state = ?, progress = CASE WHEN ? = 'succeeded' THEN 1.0 ELSE progress END, "
                   "error_code = ?, error_message = ?, unique_key = NULL, worker = NULL, lease_until = NULL, "
                   "updated_at = ? "
                   "WHERE id = ? AND fence = ? AND state = 'running'",
                   std::string(name_of(state)), std::string(name_of(state)), error_code, error_message, now(), claim.id,
                   claim.fence) > 0;
    });
}

Task<bool> TaskStore::release(Claim claim, TimePoint run_at, bool counted, std::optional<std::string> error_code,
                              std::optional<std::string> error_message) {
    co_return co_await database_.write([=](Session& session) {
        return session.execute(
                   "UPDATE tasks SET state = 'queued', run_at = ?, attempts = attempts - ?, error_code = ?, "
                   "error_message = ?, "
                   "worker = NULL, lease_until = NULL, updated_at = ? WHERE id = ? AND fence = ? AND state = 'running'",
                   run_at, counted ? 0 : 1, error_code, error_message, now(), claim.id, claim.fence) > 0;
    });
}

Task<int> TaskStore::recover(std::vector<std::string> ended_workers) {
    co_return co_await database_.write([ended_workers](Session& session) {
        std::string gone = "lease_until < ?";
        Params params{now()};
        for (const std::string& worker : ended_workers) {
            gone += " OR worker = ?";
            params.push_back(worker);
        }
        const auto lost = session.query(
            fmt::format("SELECT id, lost_leases, cancel_requested FROM tasks WHERE state = 'running' AND ({})", gone),
            [](const Row& row) { return std::tuple(TaskId::trusted(row.text(0)), row.int64(1), row.boolean(2)); },
            params);
        for (const auto& [id, lost_leases, cancel_requested] : lost) {
            if (cancel_requested) {
                session.execute(
                    "UPDATE tasks SET state = 'cancelled', unique_key = NULL, worker = NULL, lease_until = NULL, "
                    "fence = fence + 1, updated_at = ? WHERE id = ?",
                    now(), id);
            } else if (lost_leases + 1 >= kMaxLostLeases) {
                session.execute(
                    "UPDATE tasks SET state = 'dead', unique_key = NULL, worker = NULL, lease_until = NULL, "
                    "fence = fence + 1, error_message = 'its worker was lost too often', updated_at = ? WHERE id = ?",
                    now(), id);
            } else {
                session.execute(
                    "UPDATE tasks SET state = 'queued', lost_leases = lost_leases + 1, worker = NULL, "
                    "lease_until = NULL, fence = fence + 1, run_at = ?, updated_at = ? WHERE id = ?",
                    now(), now(), id);
            }
        }
        return static_cast<int>(lost.size());
    });
}

Task<std::vector<std::string>> TaskStore::workers() {
    co_return co_await database_.read([](Session& session) {
        return session.query("SELECT DISTINCT worker FROM tasks WHERE state = 'running' AND worker IS NOT NULL",
                             [](const Row& row) { return row.text(0); });
    });
}

}  // namespace llmm::tasks
