#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// OpenAI's chat completions as other dialects need them: what a translated request asks of an engine, and what comes
// back.
namespace llmm::gateway {

// A request in another dialect, as an engine gets it.
struct Translated {
    std::string model;
    bool stream = false;
    std::string target;  // path at the engine
    std::string body;    // without the model, which the engine's name replaces: see with_model
};
std::string with_model(const std::string& body, std::string_view model);

struct ToolCall {
    std::string id, name, arguments;  // arguments: JSON as text, as OpenAI has it
};

// What one event of the engine's stream, or its whole answer, adds.
struct Delta {
    std::string text, reasoning;
    std::vector<ToolCall> tool_calls;      // of a stream: pieces, merged by ToolCalls
    std::vector<std::size_t> tool_places;  // which call each piece belongs to
    std::string finish_reason;             // OpenAI's word
    std::string id;
    std::optional<std::int64_t> prompt_ns, answer_ns;  // the engine's own times
};
// Throws the error that stands in its place; ENGINE_FAILED for what is none.
Delta read_delta(std::string_view json);

// Puts the pieces of a stream's tool calls together.
class ToolCalls {
  public:
    void add(const Delta& delta);
    const std::vector<ToolCall>& all() const { return calls_; }

  private:
    std::vector<ToolCall> calls_;
};

// "data:<type>;base64,<data>", the type told by the first bytes when it is not given.
std::string data_url(std::string_view base64, std::string_view type = {});

// What an engine's refusal says, for dialects that have their own words for it.
std::string refusal_message(int status, const std::string& body);

}  // namespace llmm::gateway
