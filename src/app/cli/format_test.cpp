#include "app/cli/format.hpp"

#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

TEST(Format, bytes_take_the_unit_that_keeps_them_short) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(999), "999 B");
    EXPECT_EQ(format_bytes(1'157'056), "1.2 MB");
    EXPECT_EQ(format_bytes(999'950), "1.0 MB");
    EXPECT_EQ(format_speed(52.4e6), "52.4 MB/s");
}

TEST(Format, durations_have_two_units) {
    EXPECT_EQ(format_duration(8), "8s");
    EXPECT_EQ(format_duration(200), "3m 20s");
    EXPECT_EQ(format_duration(7500), "2h 5m");
    EXPECT_EQ(format_duration(349'200), "4d 1h");
}

TEST(Format, seconds_since_a_time) {
    const auto now = std::chrono::sys_days(std::chrono::year(2026) / 2 / 1) + std::chrono::seconds(5);
    EXPECT_EQ(seconds_since("2026-01-31T23:59:00.000Z", now), 65);
    EXPECT_EQ(seconds_since("2026-03-01T00:00:00.000Z", now), 0);
    EXPECT_EQ(seconds_since("2026-02-30T00:00:00.000Z", now), std::nullopt);
    EXPECT_EQ(seconds_since("yesterday", now), std::nullopt);
}

TEST(Format, width_counts_columns) {
    EXPECT_EQ(display_width("tiny"), 4U);
    EXPECT_EQ(display_width("模型a"), 5U);
    EXPECT_EQ(display_width("e\u0301"), 1U);
    EXPECT_EQ(display_width("\xff"), 1U);
}

TEST(Format, shorten_never_exceeds_the_width_nor_cuts_a_character) {
    EXPECT_EQ(shorten("tiny-chat", 9), "tiny-chat");
    EXPECT_EQ(shorten("tiny-chat", 5), "tiny…");
    EXPECT_EQ(shorten("模型仓库", 6), "模型…");
    EXPECT_EQ(shorten("模型仓库", 0), "");
}

TEST(Format, printable_takes_away_what_a_terminal_obeys) {
    EXPECT_EQ(printable("a\x1b[31mb\x07\x7f"), "a[31mb");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "31m");
    EXPECT_EQ(printable("a\u202Eb"), "ab");
    EXPECT_EQ(printable("a\nb\tc"), "a b c");
    EXPECT_EQ(printable("a\nb\tc", true), "a\nb\tc");
    EXPECT_EQ(printable("模型\xff"), "模型\uFFFD");
}

}  // namespace
}  // namespace llmm::app::cli
