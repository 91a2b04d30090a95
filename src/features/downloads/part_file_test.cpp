#include "features/downloads/part_file.hpp"

#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

}  // namespace

TEST(PartFile, goes_on_after_a_killed_process_where_it_stopped) {
    const test::TemporaryDirectory directory;
    {
        PartFile part(directory / "0.part");
        part.append(bytes("hello "));
    }
    PartFile part(directory / "0.part");
    EXPECT_EQ(part.size(), 6u);
    part.append(bytes("world"));
    EXPECT_EQ(part.finish(), Sha256::of("hello world"));
}

TEST(PartFile, trusts_only_the_journal_after_a_reboot) {
    const test::TemporaryDirectory directory;
    {
        PartFile part(directory / "0.part");
        part.append(bytes("durable"));
        part.sync();
        part.append(bytes(" perhaps lost"));
    }
    write_file_durably(directory / "0.part.journal", "7 another-boot");
    const PartFile part(directory / "0.part");
    EXPECT_EQ(part.size(), 7u);
    EXPECT_EQ(std::filesystem::file_size(directory / "0.part"), 7u);
}

TEST(PartFile, starts_anew_when_the_journal_is_missing_or_no_journal) {
    for (const char* journal : {"", "garbage", "-1 x", "99999999999999999999999 x", "5"}) {
        const test::TemporaryDirectory directory;
        write_file_durably(directory / "0.part", "something");
        if (*journal) write_file_durably(directory / "0.part.journal", journal);
        EXPECT_EQ(PartFile(directory / "0.part").size(), 0u) << journal;
    }
}

TEST(PartFile, a_restart_forgets_everything) {
    const test::TemporaryDirectory directory;
    PartFile part(directory / "0.part");
    part.append(bytes("wrong"));
    part.restart();
    part.append(bytes("right"));
    EXPECT_EQ(part.finish(), Sha256::of("right"));
}

}  // namespace llmm::downloads
