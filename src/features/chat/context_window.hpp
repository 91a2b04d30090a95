#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/chat_store.hpp"
#include "features/chat/engine_source.hpp"

#include <optional>
#include <vector>

namespace llmm::chat {

struct FittedPrompt {
    std::vector<Turn> turns;
    std::optional<ContextUse> context = {};  // there when something was left out
};

// The prompt for an exchange, made to fit into the engine's context by the session's policy: the oldest turns are left
// out, or summarised by the engine; under `error`, and when the engine does not tell sizes, it stays as it is and the
// engine has the last word. The question itself and the system prompt are never left out. Throws as the engine does,
// and CONTEXT_EXCEEDED.
Task<FittedPrompt> fit_prompt(const Engine& engine, const Exchange& exchange, ContextPolicy default_policy);

}  // namespace llmm::chat
