#include "integrations/docker/log_frames.hpp"

#include <gtest/gtest.h>

namespace llmm::docker {
namespace {

constexpr std::string_view kTime = "2026-11-27T23:49:55.024123456Z";

std::string frame(char stream, const std::string& line, std::string_view time = kTime) {
    const std::string text = std::string(time) + " " + line;
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string header{stream, 0, 0, 0};
    for (int shift = 24; shift >= 0; shift -= 8)
        header += static_cast<char>((size >> shift) & 0xff);
    return header + text;
}

TEST(LogFrames, give_the_text_however_the_bytes_arrive) {
    const std::string bytes = frame(1, "out\n") + frame(2, "") + frame(2, std::string(300, 'x'));
    const std::string expected = "out\n" + std::string(300, 'x');
    for (std::size_t piece = 1; piece < 40; ++piece) {
        LogFrames frames;
        std::string text;
        for (std::size_t at = 0; at < bytes.size(); at += piece)
            text += frames.take(std::string_view(bytes).substr(at, piece));
        EXPECT_EQ(text, expected) << piece;
        EXPECT_FALSE(frames.broken());
        EXPECT_EQ(frames.time(), std::chrono::nanoseconds(1'795'823'395'024'123'456));
    }
}

TEST(LogFrames, a_frame_without_its_time_ends_it) {
    LogFrames frames;
    EXPECT_EQ(frames.take(frame(1, "good\n") + frame(1, "x", "no-time") + frame(1, "more\n")), "good\n");
    EXPECT_TRUE(frames.broken());
    LogFrames endless;
    EXPECT_EQ(endless.take(frame(1, "", std::string(100, '2'))), "");
    EXPECT_TRUE(endless.broken());
    LogFrames whole_seconds;
    EXPECT_EQ(whole_seconds.take(frame(2, "x", "1970-01-01T00:00:01Z")), "x");
    EXPECT_EQ(whole_seconds.time(), std::chrono::seconds(1));
}

TEST(LogFrames, end_with_what_is_no_frame) {
    LogFrames frames;
    EXPECT_EQ(frames.take(frame(1, "good") + "not a frame at all"), "good");
    EXPECT_TRUE(frames.broken());
    EXPECT_EQ(frames.take(frame(1, "more")), "");
}

}  // namespace
}  // namespace llmm::docker
