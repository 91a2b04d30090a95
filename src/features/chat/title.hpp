#pragma once
#include "base/async/task.hpp"
#include "features/chat/engine_source.hpp"

#include <string>
#include <string_view>

namespace llmm::chat {

// A name for a conversation, made by its own engine from the first question and answer. Empty when the engine says
// nothing that could be one. Throws as a reply does.
Task<std::string> ask_title(const Engine& engine, std::string question, std::string answer);

// One line without quotes, marks of Markdown and thoughts, cut to a length that lists can show.
std::string clean_title(std::string_view text);

}  // namespace llmm::chat
