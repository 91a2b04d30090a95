#pragma once
#include "features/chat/chat.hpp"
#include "features/chat/sse_parser.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::chat {

// Turns the bytes of an engine's answer into its text and what is known at the end.
class CompletionStream {
  public:
    // Appends the text that these bytes bring. Throws ENGINE_FAILED or what the engine reports; the text that came
    // before is appended all the same.
    void feed(std::string_view bytes, std::string& text);
    // The engine closed the stream. Throws ENGINE_FAILED when the answer had not ended.
    void close() const;

    bool begun() const { return begun_; }  // the engine answers, though there may be no text yet
    bool done() const { return done_; }
    const std::optional<std::string>& finish_reason() const { return finish_reason_; }
    const std::optional<Usage>& usage() const { return usage_; }
    const std::optional<double>& tokens_per_second() const { return tokens_per_second_; }

  private:
    void take(const SseEvent& event, std::string& text);

    SseParser parser_;
    std::vector<SseEvent> events_;
    bool begun_ = false, done_ = false;
    std::optional<std::string> finish_reason_;
    std::optional<Usage> usage_;
    std::optional<double> tokens_per_second_;
};

}  // namespace llmm::chat
