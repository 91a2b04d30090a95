#include "features/gateway/answer_scan.hpp"

#include "base/error/error.hpp"
#include "features/gateway/event_splitter.hpp"

#include <gtest/gtest.h>

namespace llmm::gateway {
namespace {

AnswerScan scanned(std::string_view text) {
    AnswerScan scan;
    scan.feed(text);
    return scan;
}

void expect_counts(const AnswerScan& scan, std::int64_t in, std::int64_t out, std::optional<std::int64_t> cached) {
    EXPECT_EQ(scan.tokens().in, in);
    EXPECT_EQ(scan.tokens().out, out);
    EXPECT_EQ(scan.tokens().cached, cached);
}

}  // namespace

TEST(AnswerScan, finds_the_counts_of_each_dialect) {
    expect_counts(
        scanned(
            R"({"choices":[],"usage":{"completion_tokens":3,"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}})"),
        9, 3, 4);
    expect_counts(scanned("data: {\"timings\":{\"cache_n\":2,\"prompt_n\":5,\"predicted_n\":7}}\n\n"), 7, 7, 2);
    expect_counts(scanned(R"({"usage":{"cache_read_input_tokens":16,"input_tokens":1,"output_tokens":11}})"), 17, 11,
                  16);
    expect_counts(
        scanned(R"({"usage":{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"cached_tokens":4}}})"), 10, 5,
        4);
}

TEST(AnswerScan, adds_up_events_and_is_not_fooled_by_what_a_model_says) {
    AnswerScan scan;
    scan.feed(R"(data: {"message":{"usage":{"cache_read_input_tokens":16,"input_tokens":1,"output_tokens":0}}})"
              "\n\n");
    scan.feed(R"(data: {"delta":{"text":"\"usage\":{\"output_tokens\":99}"}})"
              "\n\n");
    scan.feed(R"(data: {"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":11}})"
              "\n\n");
    expect_counts(scan, 17, 11, 16);
    EXPECT_EQ(scan.finish_reason(), "end_turn");
}

TEST(AnswerScan, hides_the_usage_that_only_we_asked_for) {
    const std::string text = "data: {\"choices\":[{}]}\n\n";
    const std::string usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
    EXPECT_FALSE(has_usage_event(text));
    EXPECT_EQ(without_usage_event(text + usage + "data: [DONE]\n\n"), text + "data: [DONE]\n\n");
}

TEST(EventSplitter, gives_whole_events_whatever_the_pieces) {
    const std::string stream = "data: a\n\nevent: x\ndata: b\r\n\r\n: c\n\ndata: [DONE]\n\n";
    for (std::size_t size = 1; size <= stream.size(); ++size) {
        EventSplitter splitter;
        std::string all;
        for (std::size_t at = 0; at < stream.size(); at += size) {
            const std::string_view piece = std::string_view(stream).substr(at, size);
            const std::string_view events = splitter.feed(piece);
            EXPECT_TRUE(events.empty() || events.ends_with("\n\n") || events.ends_with("\n\r\n"));
            all += events;
        }
        EXPECT_EQ(all, stream);
        EXPECT_FALSE(splitter.has_rest());
    }
    EventSplitter splitter;
    EXPECT_EQ(splitter.feed("data: a\n\ndata: b"), "data: a\n\n");
    EXPECT_TRUE(splitter.has_rest());
    EventSplitter bounded(EventSplitter::Unit::event, 10);
    bounded.feed("data: 12345");
    EXPECT_THROW(bounded.feed("6"), Error);
}

}  // namespace llmm::gateway
