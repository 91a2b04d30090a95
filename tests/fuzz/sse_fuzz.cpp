#include "base/error/error.hpp"
#include "features/chat/completion_stream.hpp"
#include "features/chat/sse_parser.hpp"
#include "fuzz/fuzz_target.hpp"

namespace {

using llmm::chat::SseEvent;
using llmm::chat::SseParser;

constexpr std::size_t kMaxEvent = 4096;

// The events, and whether the bound was met.
std::pair<std::vector<SseEvent>, bool> parse(std::string_view text, std::size_t piece) {
    SseParser parser(kMaxEvent);
    std::vector<SseEvent> events;
    try {
        for (std::size_t at = 0; at < text.size(); at += piece)
            parser.feed(text.substr(at, piece), events);
    } catch (const llmm::Error&) {
        return {std::move(events), true};
    }
    return {std::move(events), false};
}

}  // namespace

LLMM_FUZZ_TARGET(sse)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    const auto whole = parse(text, text.size() + 1);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
        llmm::fuzz::check(parse(text, piece) == whole, "the pieces of a stream must not matter");
    }
    for (const SseEvent& event : whole.first) {
        llmm::fuzz::check(event.data.size() <= kMaxEvent, "an event is larger than the bound");
    }
    llmm::chat::CompletionStream stream;
    std::string reply;
    try {
        stream.feed(text, reply);
        stream.close();
    } catch (const llmm::Error&) {
    }
}
