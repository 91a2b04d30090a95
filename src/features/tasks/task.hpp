#pragma once
#include "base/ids/id.hpp"
#include "base/time/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::tasks {

// queued and running tasks are alive; the others have ended. dead: its worker was lost too often.
enum class State { queued, running, succeeded, failed, cancelled, dead };
std::string_view name_of(State state);
std::optional<State> parse_state(std::string_view text);

struct NewTask {
    std::string kind;        // "download", "verify_model"
    std::string subject;     // the id of what it works on
    int priority = 0;        // the higher goes first
    std::string unique_key;  // at most one live task for a key; empty: no such limit
    int max_attempts = 5;
};

// A row of the queue. (Task alone is the coroutine type.)
struct QueuedTask {
    TaskId id;
    std::string kind;
    std::string subject;
    State state = State::queued;
    int priority = 0;
    TimePoint run_at{};
    int attempts = 0;
    int max_attempts = 0;
    std::int64_t fence = 0;  // grows with every claim; a write with an older one is refused
    bool cancel_requested = false;
    std::optional<double> progress;  // 0..1
    std::optional<std::string> error_code, error_message;
    TimePoint created_at{}, updated_at{};
};

}  // namespace llmm::tasks
