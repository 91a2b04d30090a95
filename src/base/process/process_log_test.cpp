#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/process/process.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include <gtest/gtest.h>

namespace llmm {
namespace {

class ProcessLogTest : public testing::Test {
  protected:
    void append(std::string_view text) {
        ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    std::string content_of(const std::string& name) {
        std::ifstream file(directory_ / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    test::TemporaryDirectory directory_;
    std::filesystem::path log_ = directory_ / "log";
    UniqueFd writer_{::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
};

TEST_F(ProcessLogTest, is_rotated_under_a_writer_that_goes_on) {
    for (const char* text : {"cut\n1\n", "cut\n2\n", "cut\n3\n"}) {
        append(text);
        rotate_log(log_, 3, 2);
    }
    append("4\n");
    EXPECT_EQ(content_of("log"), "4\n");
    EXPECT_EQ(content_of("log.1"), "3\n");
    EXPECT_EQ(content_of("log.2"), "2\n");
    EXPECT_FALSE(std::filesystem::exists(directory_ / "log.3"));
}

TEST_F(ProcessLogTest, is_left_alone_within_its_limit) {
    append("12345\n");
    rotate_log(log_, 6, 1);
    EXPECT_EQ(content_of("log"), "12345\n");
    EXPECT_FALSE(std::filesystem::exists(directory_ / "log.1"));
    EXPECT_NO_THROW(rotate_log(directory_ / "missing", 6, 1));
}

TEST_F(ProcessLogTest, keeps_only_whole_lines_of_its_end_so_that_a_flood_costs_no_disk) {
    append(std::string(300'000, 'x') + "\nkept 1\nkept 2\n");
    rotate_log(log_, 20, 1);
    EXPECT_EQ(content_of("log.1"), "kept 1\nkept 2\n");
    EXPECT_EQ(content_of("log"), "");
}

TEST_F(ProcessLogTest, is_cut_also_when_no_copy_can_be_made) {
    append("text\n");
    std::filesystem::create_directory(directory_ / "log.part");
    std::ofstream(directory_ / "log.part" / "in the way");
    EXPECT_THROW(rotate_log(log_, 1, 1), Error);
    EXPECT_EQ(content_of("log"), "");
}

TEST_F(ProcessLogTest, gives_its_last_lines_across_rotations) {
    append("one, which is long enough to be cut away\ntwo\n");
    rotate_log(log_, 10, 2);
    append("three, which is long enough to be cut away\nfour\n");
    rotate_log(log_, 10, 2);
    append("five\r\nsix");
    using Lines = std::vector<std::string>;
    EXPECT_EQ(tail_log(log_, 1), (Lines{"six"}));
    EXPECT_EQ(tail_log(log_, 3), (Lines{"four", "five", "six"}));
    EXPECT_EQ(tail_log(log_, 4), (Lines{"two", "four", "five", "six"}));
    EXPECT_EQ(tail_log(log_, 100), (Lines{"two", "four", "five", "six"}));
    EXPECT_EQ(tail_log(log_, 0), Lines{});
    EXPECT_EQ(tail_log(directory_ / "missing", 5), Lines{});
}

TEST_F(ProcessLogTest, finds_the_last_lines_of_a_long_file) {
    std::string text;
    for (int i = 0; i < 50'000; ++i)
        text += fmt::format("line {}\n", i);
    append(text);
    const auto lines = tail_log(log_, 20'000);
    ASSERT_EQ(lines.size(), 20'000u);
    EXPECT_EQ(lines.front(), "line 30000");
    EXPECT_EQ(lines.back(), "line 49999");
}

TEST_F(ProcessLogTest, bounds_what_a_single_endless_line_costs) {
    append(std::string(6 << 20, 'x'));
    const auto lines = tail_log(log_, 10);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_LE(lines[0].size(), 4u << 20);
}

}  // namespace
}  // namespace llmm
