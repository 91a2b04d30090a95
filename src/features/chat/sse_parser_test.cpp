#include "features/chat/sse_parser.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

std::vector<SseEvent> parse(std::initializer_list<std::string_view> pieces) {
    SseParser parser;
    std::vector<SseEvent> events;
    for (const auto piece : pieces)
        parser.feed(piece, events);
    return events;
}

// As llama-server sends it, with every kind of line in between.
constexpr std::string_view kStream =
    "\xef\xbb\xbf: ping\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"caf\xc3\xa9\"}}]}\n\n"
    "event: note\r\nid: 7\r\nretry: 100\r\ndata:first\r\ndata:  second\r\ndata\r\n\r\n"
    "data: old\rdata: mac\r\r"
    "data:\n\n"
    "event: without data\n\n"
    "unknown: x\ndata: [DONE]\n\n"
    "data: cut off";
const std::vector<SseEvent> kEvents{{"", "{\"choices\":[{\"delta\":{\"content\":\"caf\xc3\xa9\"}}]}"},
                                    {"note", "first\n second\n"},
                                    {"", "old\nmac"},
                                    {"", ""},
                                    {"", "[DONE]"}};

TEST(SseParser, reads_events_of_all_line_ends) {
    EXPECT_EQ(parse({kStream}), kEvents);
}

TEST(SseParser, gives_the_same_wherever_the_stream_is_split) {
    for (std::size_t i = 0; i <= kStream.size(); ++i) {
        EXPECT_EQ(parse({kStream.substr(0, i), kStream.substr(i)}), kEvents) << i;
        for (std::size_t j = i; j <= kStream.size(); j += 3) {
            ASSERT_EQ(parse({kStream.substr(0, i), kStream.substr(i, j - i), kStream.substr(j)}), kEvents)
                << i << " " << j;
        }
    }
}

TEST(SseParser, refuses_an_event_beyond_the_bound_and_keeps_those_before) {
    SseParser parser(32);
    std::vector<SseEvent> events;
    parser.feed("data: 0123456789\n\n", events);
    EXPECT_THROW(parser.feed("data: a\n\n" + std::string(33, 'x'), events), Error);
    EXPECT_EQ(events.size(), 2u);
}

TEST(SseParser, bounds_an_event_of_many_short_lines) {
    SseParser parser(64);
    std::vector<SseEvent> events;
    EXPECT_THROW(
        {
            for (int i = 0; i < 100; ++i)
                parser.feed("data: x\n", events);
        },
        Error);
}

}  // namespace
}  // namespace llmm::chat
