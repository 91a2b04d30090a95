#include "features/deployments/deployment_log.hpp"

#include "base/process/process.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeploymentLog : public ::testing::Test {
  protected:
    void append(const std::string& text) { std::ofstream(path, std::ios::app) << text; }

    test::TemporaryDirectory directory;
    std::filesystem::path path = directory / "engine.log";
};

TEST_F(DeploymentLog, the_tail_says_whether_there_is_more) {
    EXPECT_THAT(read_log_tail(path, 2).lines, IsEmpty());
    append("one\ntwo\nthree\n");
    EXPECT_THAT(read_log_tail(path, 2).lines, ElementsAre("two", "three"));
    EXPECT_TRUE(read_log_tail(path, 2).truncated);
    EXPECT_FALSE(read_log_tail(path, 3).truncated);
    EXPECT_THAT(read_log_tail(path, 0).lines, IsEmpty());
}

TEST_F(DeploymentLog, a_follower_sees_each_whole_line_once) {
    LogFollower follower(path);
    EXPECT_THAT(follower.begin(10), IsEmpty());
    EXPECT_THAT(follower.next(), IsEmpty());
    append("one\ntw");
    EXPECT_THAT(follower.next(), ElementsAre("one"));
    append("o\r\n");
    EXPECT_THAT(follower.next(), ElementsAre("two"));
    EXPECT_THAT(follower.next(), IsEmpty());

    LogFollower late(path);
    EXPECT_THAT(late.begin(1), ElementsAre("two"));
    EXPECT_THAT(late.next(), IsEmpty());
}

TEST_F(DeploymentLog, a_follower_goes_on_after_a_rotation) {
    append(std::string(100, 'x') + "\n");
    LogFollower follower(path);
    follower.begin(0);
    rotate_log(path, 10, 1);
    append("new\n");
    EXPECT_THAT(follower.next(), ElementsAre("new"));
}

TEST_F(DeploymentLog, the_words_of_an_earlier_run_are_left_out) {
    append("old\n");
    const auto start = log_size(path);
    append("one\ntwo\nthree\n");
    EXPECT_THAT(log_since(path, start, 2), ElementsAre("two", "three"));
    EXPECT_THAT(log_since(path, start + 1000, 5), ElementsAre("old", "one", "two", "three"));
}

}  // namespace
}  // namespace llmm::deployments
