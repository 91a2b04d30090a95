#include "features/tasks/task.hpp"

#include <utility>

namespace llmm::tasks {
namespace {
constexpr std::pair<State, std::string_view> kStates[] = {
    {State::queued, "queued"}, {State::running, "running"},     {State::succeeded, "succeeded"},
    {State::failed, "failed"}, {State::cancelled, "cancelled"}, {State::dead, "dead"},
};
}  // namespace

std::string_view name_of(State state) {
    return kStates[static_cast<std::size_t>(state)].second;
}

std::optional<State> parse_state(std::string_view text) {
    for (const auto& [state, name] : kStates) {
        if (name == text) return state;
    }
    return std::nullopt;
}

}  // namespace llmm::tasks
