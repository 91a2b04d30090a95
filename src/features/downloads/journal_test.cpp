#include "features/downloads/journal.hpp"

#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

Sha256Stream::Midstate midstate_after(std::size_t bytes) {
    Sha256Stream stream;
    stream.update(std::vector<std::byte>(bytes));
    return stream.midstate().value();
}

class JournalTest : public testing::Test {
  protected:
    Journal open(std::string_view identity = "m.gguf") { return Journal(path, identity); }
    void write_some() {
        Journal journal = open();
        journal.add_segment({0, 100}, 7);
        journal.add_segment({0, 200}, 8);
        journal.add_segment({500, 600}, 9);
        journal.add_midstate(midstate_after(128));
        journal.add_digest(Sha256::of("whole"));
        journal.flush();
    }

    const test::TemporaryDirectory directory;
    const std::filesystem::path path = directory / "0.part.journal";
};

}  // namespace

TEST_F(JournalTest, keeps_the_newest_word_about_each_segment) {
    write_some();
    const JournalContents contents = open().contents();
    ASSERT_EQ(contents.segments.size(), 2u);
    EXPECT_EQ(contents.segments.at(0).end, 200u);
    EXPECT_EQ(contents.segments.at(0).checksum, 8u);
    EXPECT_EQ(contents.segments.at(500).end, 600u);
    ASSERT_EQ(contents.midstates.size(), 1u);
    EXPECT_EQ(contents.midstates[0].words, midstate_after(128).words);
    EXPECT_EQ(contents.digest, Sha256::of("whole"));
}

TEST_F(JournalTest, nothing_is_made_before_the_first_record) {
    open().flush();
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(JournalTest, another_files_journal_counts_for_nothing) {
    write_some();
    Journal other = open("another.gguf");
    EXPECT_TRUE(other.contents().segments.empty());
    other.add_segment({0, 1}, 1);
    other.flush();
    EXPECT_EQ(open("another.gguf").contents().segments.size(), 1u);
}

TEST_F(JournalTest, a_torn_end_takes_only_itself_away_at_every_length) {
    write_some();
    const std::uint64_t whole = std::filesystem::file_size(path);
    for (std::uint64_t length = 0; length < whole; ++length) {
        std::filesystem::remove(path);
        write_some();
        std::filesystem::resize_file(path, length);
        Journal torn = open();
        EXPECT_EQ(torn.contents().segments.size(), length < 128 ? 0u : length < 256 ? 1u : 2u) << length;
        torn.add_segment({900, 1000}, 10);
        torn.flush();
        const Journal again = open();
        ASSERT_TRUE(again.contents().segments.contains(900)) << length;
    }
}

TEST_F(JournalTest, a_damaged_record_is_left_out) {
    write_some();
    const std::uint64_t whole = std::filesystem::file_size(path);
    for (std::uint64_t at = 64; at < whole; ++at) {
        std::filesystem::remove(path);
        write_some();
        const UniqueFd fd = open_file(path, O_RDWR);
        std::byte byte[1];
        read_at(fd.get(), byte, at);
        byte[0] ^= std::byte{0x10};
        write_all(fd.get(), byte, at);
        const JournalContents contents = open().contents();
        for (const auto& [begin, segment] : contents.segments) {
            const bool known = (begin == 0 && (segment.end == 100 || segment.end == 200)) || begin == 500;
            EXPECT_TRUE(known) << at;
        }
    }
}

TEST_F(JournalTest, zeros_that_a_power_cut_left_are_no_records) {
    write_some();
    std::filesystem::resize_file(path, std::filesystem::file_size(path) + 4096);
    EXPECT_EQ(open().contents().segments.size(), 2u);
    std::filesystem::remove(path);
    {
        const UniqueFd made = open_file(path, O_RDWR | O_CREAT);
    }
    std::filesystem::resize_file(path, 4096);
    EXPECT_TRUE(open().contents().segments.empty());
}

}  // namespace llmm::downloads
