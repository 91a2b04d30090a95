#include "storage/intake.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <fstream>

#include <gtest/gtest.h>

namespace llmm::storage {

TEST(Intake, takes_a_file_without_copying_where_it_can) {
    const test::TemporaryDirectory directory;
    const auto original = directory.path() / "a", part = directory.path() / "b";
    std::ofstream(original) << "content";
    const UniqueFd fd = open_file(original, O_RDONLY);
    const Taken how = take_file(fd.get(), part, false);
    EXPECT_NE(how, Taken::copy);
    EXPECT_EQ(read_text_file(part, 100), "content");
    if (how == Taken::hard_link) {
        EXPECT_TRUE(std::filesystem::equivalent(original, part));
    }
}

TEST(Intake, copies_across_file_systems_only_when_asked_to) {
    const std::filesystem::path memory = "/dev/shm";
    const test::TemporaryDirectory directory;
    std::error_code error;
    if (!std::filesystem::is_directory(memory, error)) return;
    const auto original = memory / ("llmm-intake-" + directory.path().filename().string());
    std::ofstream(original) << "content";
    const UniqueFd fd = open_file(original, O_RDONLY);
    const auto part = directory.path() / "b";
    try {
        take_file(fd.get(), part, false);
    } catch (const Error& refused) {
        EXPECT_EQ(refused.code(), ErrorCode::validation_failed);
        EXPECT_FALSE(std::filesystem::exists(part));
        EXPECT_EQ(take_file(fd.get(), part, true), Taken::copy);
    }
    EXPECT_EQ(read_text_file(part, 100), "content");
    std::filesystem::remove(original);
}

}  // namespace llmm::storage
