#include "app/cli/progress.hpp"

#include "app/cli/format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Texts kEnglish(Language::en);

json::object transferring(std::int64_t received) {
    return {{"ref", "demo:tiny-chat"},       {"status", "downloading"},   {"phase", "transferring"},
            {"progress", received / 1000.0}, {"download_size", received}, {"total_size", 1000},
            {"download_speed", 250.0},       {"eta_seconds", 2}};
}

TEST(RenderBar, shows_size_speed_and_time_left) {
    EXPECT_THAT(render_bar(transferring(500), 80, kEnglish),
                ElementsAre("[===============>              ]  50%  500 B / 1.0 kB  250 B/s  2s left"));
}

TEST(RenderBar, names_the_phase_when_nothing_is_transferred) {
    json::object download = transferring(1000);
    download["phase"] = "verifying";
    EXPECT_THAT(render_bar(download, 80, kEnglish).front(), HasSubstr("100%  1.0 kB / 1.0 kB  verifying"));
}

TEST(RenderBar, has_no_bar_where_there_is_no_room) {
    EXPECT_THAT(render_bar(transferring(500), 30, kEnglish), ElementsAre(" 50%  500 B / 1.0 kB  250 B/s…"));
}

TEST(RenderBar, has_a_line_for_each_file_under_way) {
    json::object download = transferring(500);
    json::array files;
    for (int i = 0; i < 8; ++i) {
        files.push_back(
            {{"path", "part-" + std::to_string(i)}, {"size", 100}, {"received", 50}, {"status", "downloading"}});
    }
    files.push_back({{"path", "done"}, {"size", 100}, {"received", 100}, {"status", "verified"}});
    download["files"] = files;
    const auto lines = render_bar(download, 60, kEnglish);
    ASSERT_EQ(lines.size(), 8U);
    EXPECT_THAT(lines[1], HasSubstr("part-0"));
    EXPECT_THAT(lines[1], HasSubstr("50%"));
    EXPECT_THAT(lines[7], HasSubstr("2 more files"));
    for (const std::string& line : lines)
        EXPECT_LE(display_width(line), 60U) << line;
}

TEST(RenderLine, says_only_what_is_known) {
    EXPECT_EQ(render_line(transferring(500), kEnglish),
              "demo:tiny-chat: downloading 50% (500 B / 1.0 kB), 250 B/s, 2s left");
    const json::object pending{{"ref", "demo:tiny-chat"}, {"status", "pending"}, {"total_size", nullptr}};
    EXPECT_EQ(render_line(pending, kEnglish), "demo:tiny-chat: waiting");
    EXPECT_EQ(render_line(pending, Texts(Language::zh)), "demo:tiny-chat: 等待中");
}

TEST(LinePacer, passes_tenths_and_every_two_seconds_of_change) {
    LinePacer pacer;
    const std::chrono::steady_clock::time_point begin{};
    EXPECT_TRUE(pacer.is_due(transferring(100), begin));
    EXPECT_FALSE(pacer.is_due(transferring(150), begin + 1s));
    EXPECT_TRUE(pacer.is_due(transferring(200), begin + 1s));
    EXPECT_TRUE(pacer.is_due(transferring(201), begin + 3s));
    EXPECT_FALSE(pacer.is_due(transferring(201), begin + 9s));
    json::object verifying = transferring(201);
    verifying["phase"] = "verifying";
    EXPECT_TRUE(pacer.is_due(verifying, begin + 9s));
}

}  // namespace
}  // namespace llmm::app::cli
