#include "base/error/error.hpp"
#include "features/gateway/answer_scan.hpp"
#include "features/gateway/event_splitter.hpp"
#include "fuzz/fuzz_target.hpp"

namespace {

using namespace llmm::gateway;

// What comes out, and what is held back.
std::pair<std::string, bool> split(std::string_view text, std::size_t piece) {
    EventSplitter splitter;
    std::string all;
    for (std::size_t at = 0; at < text.size(); at += piece)
        all += splitter.feed(text.substr(at, piece));
    return {std::move(all), splitter.has_rest()};
}

}  // namespace

LLMM_FUZZ_TARGET(gateway_events)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    const auto [whole, rest] = split(text, text.size() + 1);
    llmm::fuzz::check(text.starts_with(whole), "the bytes are not the same");
    llmm::fuzz::check(rest == (whole.size() < text.size()), "bytes are lost");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}}) {
        llmm::fuzz::check(split(text, piece) == std::pair(whole, rest), "the pieces of a stream must not matter");
    }
    AnswerScan scan;
    scan.feed(whole);
    const auto counts = scan.tokens();
    llmm::fuzz::check(counts.in.value_or(0) >= 0 && counts.out.value_or(0) >= 0, "a negative count");
    llmm::fuzz::check(without_usage_event(whole).size() <= whole.size(), "more than there was");
}
