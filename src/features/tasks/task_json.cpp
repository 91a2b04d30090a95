#include "features/tasks/task_json.hpp"

#include <boost/json.hpp>

namespace llmm::tasks {

namespace json = boost::json;

json::object to_json(const QueuedTask& task) {
    return {{"id", task.id.str()},
            {"kind", task.kind},
            {"state", name_of(task.state)},
            {"progress", task.progress ? json::value(*task.progress) : json::value(nullptr)},
            {"attempts", task.attempts},
            {"max_attempts", task.max_attempts},
            {"error", task.error_message ? json::value(*task.error_message) : json::value(nullptr)},
            {"cancel_requested", task.cancel_requested},
            {"priority", task.priority},
            {"run_at", to_rfc3339(task.run_at)},
            {"subject", task.subject.empty() ? json::value(nullptr) : json::value(task.subject)},
            {"created_at", to_rfc3339(task.created_at)},
            {"updated_at", to_rfc3339(task.updated_at)}};
}

}  // namespace llmm::tasks
