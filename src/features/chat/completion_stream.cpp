#include "features/chat/completion_stream.hpp"

#include "features/chat/completion_json.hpp"

#include <exception>

namespace llmm::chat {

namespace {
constexpr std::string_view kDone = "[DONE]";
}

void CompletionStream::feed(std::string_view bytes, std::string& text) {
    events_.clear();
    std::exception_ptr failure;
    try {
        parser_.feed(bytes, events_);
    } catch (...) {
        failure = std::current_exception();
    }
    for (const SseEvent& event : events_)
        take(event, text);
    if (failure && !done_) std::rethrow_exception(failure);
}

void CompletionStream::take(const SseEvent& event, std::string& text) {
    if (done_) return;
    if (event.data == kDone) {
        done_ = true;
        return;
    }
    CompletionChunk chunk = parse_completion_chunk(event.data);
    begun_ = true;
    text += chunk.text;
    if (chunk.finish_reason) finish_reason_ = std::move(chunk.finish_reason);
    if (chunk.usage) usage_ = chunk.usage;
    if (chunk.tokens_per_second) tokens_per_second_ = chunk.tokens_per_second;
}

void CompletionStream::close() const {
    if (done_ || finish_reason_) return;
    throw Error(ErrorCode::engine_failed,
                {"the engine broke off before the end of its answer", "引擎在回答结束前中断"});
}

}  // namespace llmm::chat
