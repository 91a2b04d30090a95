#pragma once
#include "base/error/error.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <optional>
#include <string>

namespace llmm::http {

// Whose API a path belongs to, where it is not our own: clients of these read errors in their own shape only.
enum class Dialect { openai, anthropic, ollama };

// By the path: /v1/messages is Anthropic's, the rest of /v1 OpenAI's, /api outside /api/v1 Ollama's.
std::optional<Dialect> dialect_of(const Request& request);

// The status that an error has in a dialect.
int status_of(const Error& error, Dialect dialect);
// The error as the dialect writes it, on one line: a response's body, or an event of a stream that has begun.
std::string error_body(const Request& request, const Error& error, Dialect dialect);
Response dialect_error(const Request& request, const Error& error, Dialect dialect);

}  // namespace llmm::http
