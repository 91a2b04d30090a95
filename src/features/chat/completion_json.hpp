#pragma once
#include "features/chat/chat.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The OpenAI-compatible chat completions that engines speak.
namespace llmm::chat {

// The body of POST /v1/chat/completions: always a stream with usage at its end. Only the fields of ChatConfig that are
// set are sent.
std::string completion_request(const std::string& model, const ChatConfig& config, const std::vector<Turn>& turns);

// One event of the answer.
struct CompletionChunk {
    std::string text;
    std::optional<std::string> finish_reason;
    std::optional<Usage> usage;
    std::optional<double> tokens_per_second;
};
// Throws ENGINE_FAILED for what is no such chunk, and the error that the engine reports in place of one.
CompletionChunk parse_completion_chunk(std::string_view data);

// Of GET /props and POST /v1/chat/completions/input_tokens. Nothing when it is not there.
std::optional<std::int64_t> parse_context_size(std::string_view body);
std::optional<std::int64_t> parse_token_count(std::string_view body);

// What a response other than 200 means: CONTEXT_EXCEEDED, ENGINE_UNAVAILABLE (still loading) or ENGINE_FAILED.
Error completion_error(int status, std::string_view body);

}  // namespace llmm::chat
