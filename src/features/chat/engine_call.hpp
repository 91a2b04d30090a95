#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/engine_source.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What chat asks of an engine beside the replies themselves.
namespace llmm::chat {

// A short answer, whole. Throws as a reply does, also after the time is over.
Task<std::string> ask_engine(const Engine& engine, ChatConfig config, std::vector<Turn> turns,
                             std::chrono::milliseconds limit);

// Tokens that one conversation may have; nothing when the engine does not tell.
Task<std::optional<std::int64_t>> context_size_of(const Engine& engine);

// Tokens of these turns as the engine's template puts them together; nothing when the engine has no such endpoint.
Task<std::optional<std::int64_t>> count_tokens(const Engine& engine, std::vector<Turn> turns);

// What clients may know of any exception on the way to an engine.
Error engine_error(std::exception_ptr failure);

}  // namespace llmm::chat
