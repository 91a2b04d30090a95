#include "features/downloads/part_file.hpp"

#include "support/temporary_directory.hpp"

#include <algorithm>
#include <fcntl.h>
#include <random>
#include <thread>

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::vector<std::byte> random_bytes(std::size_t size, unsigned seed = 1) {
    std::mt19937_64 random(seed);
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

class PartFileTest : public testing::Test {
  protected:
    PartFile open() { return PartFile(path, content.size(), "m.gguf"); }
    void write(PartFile& part, std::uint64_t begin, std::uint64_t end) {
        for (std::uint64_t offset = begin; offset < end;) {
            const std::uint64_t n = std::min<std::uint64_t>(end - offset, 256 << 10);
            part.write(offset, std::span(content).subspan(offset, n));
            offset += n;
        }
    }
    void damage(const std::filesystem::path& file, std::uint64_t at) {
        const UniqueFd fd = open_file(file, O_RDWR);
        std::byte byte[1];
        read_at(fd.get(), byte, at);
        byte[0] ^= std::byte{1};
        write_all(fd.get(), byte, at);
    }
    // Fetches what is missing, as a transfer would.
    Sha256 complete(PartFile& part) {
        const ByteRanges missing = part.have().missing(content.size());
        for (const auto& [begin, end] : missing.map())
            write(part, begin, end);
        return part.finish(content.size());
    }

    const test::TemporaryDirectory directory;
    const std::filesystem::path path = directory / "0.part";
    const std::vector<std::byte> content = random_bytes(20 * kMiB + 12345);
    const Sha256 right = Sha256::of(content);
};

}  // namespace

TEST_F(PartFileTest, takes_pieces_in_any_order) {
    PartFile part = open();
    write(part, 12 * kMiB, 20 * kMiB);
    EXPECT_EQ(part.hashed(), 0u);
    write(part, 0, 5 * kMiB);
    EXPECT_EQ(part.hashed(), 5 * kMiB);
    write(part, 5 * kMiB, 12 * kMiB);
    write(part, 20 * kMiB, content.size());
    EXPECT_EQ(part.finish(content.size()), right);
}

TEST_F(PartFileTest, a_killed_process_loses_less_than_a_journal_step_of_each_place) {
    {
        PartFile part = open();
        write(part, 0, 3 * kMiB + 500'000);
        write(part, 8 * kMiB, 9 * kMiB + 100);
    }
    PartFile part = open();
    EXPECT_GE(part.have().run_end(0), 3 * kMiB);
    EXPECT_GE(part.have().run_end(8 * kMiB), 9 * kMiB);
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, hashing_goes_on_from_the_saved_state) {
    {
        PartFile part = open();
        write(part, 0, 18 * kMiB);
    }
    PartFile part = open();
    EXPECT_EQ(part.hashed(), PartFile::kMidstateStep);
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, a_finished_part_needs_no_second_pass) {
    {
        PartFile part = open();
        complete(part);
    }
    EXPECT_EQ(open().digest(), right);
    damage(path, 7 * kMiB);
    EXPECT_EQ(open().digest(), std::nullopt);
}

TEST_F(PartFileTest, what_the_disk_lost_or_changed_is_fetched_again_and_nothing_else) {
    {
        PartFile part = open();
        write(part, 0, content.size());
    }
    damage(path, 9 * kMiB);
    PartFile part = open();
    EXPECT_EQ(part.have().missing(content.size()).map(),
              (std::map<std::uint64_t, std::uint64_t>{{8 * kMiB, 12 * kMiB}}));
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, survives_a_power_cut_that_kept_the_journal_and_lost_data) {
    for (unsigned seed = 0; seed < 8; ++seed) {
        PartFile::remove(path);
        {
            PartFile part = open();
            write(part, 4 * kMiB, 16 * kMiB);
            write(part, 0, 2 * kMiB);
        }
        // Some pages are zero or old, the file is short, the journal is torn.
        std::mt19937 random(seed);
        const UniqueFd fd = open_file(path, O_RDWR);
        const std::vector<std::byte> zeros(4096);
        for (int i = 0; i < 5; ++i)
            write_all(fd.get(), zeros, random() % (16 * kMiB / 4096) * 4096);
        if (seed % 2 == 1) std::filesystem::resize_file(path, random() % (16 * kMiB));
        const auto journal = path.string() + ".journal";
        std::filesystem::resize_file(journal, random() % std::filesystem::file_size(journal));
        PartFile part = open();
        EXPECT_EQ(complete(part), right) << "seed " << seed;
    }
}

TEST_F(PartFileTest, trusts_nothing_without_a_journal) {
    {
        PartFile part = open();
        write(part, 0, content.size());
    }
    std::filesystem::remove(path.string() + ".journal");
    EXPECT_TRUE(open().have().empty());
}

TEST_F(PartFileTest, is_made_durable_while_its_journal_is_written_anew) {
    PartFile part = open();
    for (int round = 0; round < 10; ++round) {
        write(part, 0, content.size());
        const PartFile::Durable durable = part.begin_durable();
        std::exception_ptr failure;
        std::thread sync([&] {
            try {
                durable.sync();
            } catch (...) {
                failure = std::current_exception();
            }
        });
        part.restart();
        sync.join();
        ASSERT_FALSE(failure) << "round " << round;
    }
}

TEST_F(PartFileTest, bytes_that_come_again_correct_the_wrong_ones_and_no_others) {
    std::vector<std::byte> wrong = content;
    wrong[5 * kMiB] ^= std::byte{1};
    wrong[18 * kMiB] ^= std::byte{1};
    {
        PartFile part = open();
        part.write(0, wrong);
        EXPECT_NE(part.finish(content.size()), right);
    }
    PartFile part = open();
    write(part, 0, 12 * kMiB);
    EXPECT_EQ(part.corrected(), 256u << 10) << "one block";
    EXPECT_NE(part.finish(content.size()), right);
    write(part, 12 * kMiB, content.size());
    EXPECT_EQ(part.finish(content.size()), right);
    EXPECT_EQ(open().digest(), right);
}

TEST_F(PartFileTest, what_stood_behind_a_wrong_byte_is_missing_until_it_comes_again) {
    std::vector<std::byte> wrong = content;
    wrong[5 * kMiB] ^= std::byte{1};
    PartFile part = open();
    part.write(0, wrong);
    write(part, 5 * kMiB, 5 * kMiB + (256 << 10));
    EXPECT_EQ(part.have().missing(content.size()).map(),
              (std::map<std::uint64_t, std::uint64_t>{{5 * kMiB + (256 << 10), 8 * kMiB}}));
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, killed_after_a_correction_it_forgets_the_digest_of_the_wrong_bytes) {
    std::vector<std::byte> wrong = content;
    wrong[5 * kMiB] ^= std::byte{1};
    {
        PartFile part = open();
        part.write(0, wrong);
        part.finish(content.size());
        write(part, 4 * kMiB, 8 * kMiB);
    }
    PartFile part = open();
    EXPECT_EQ(part.digest(), std::nullopt);
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, bytes_that_come_again_and_are_right_change_nothing) {
    PartFile part = open();
    write(part, 0, 10 * kMiB);
    write(part, 3 * kMiB + 5, 15 * kMiB);
    EXPECT_EQ(part.corrected(), 0u);
    EXPECT_EQ(part.have().size(), 15 * kMiB);
    EXPECT_EQ(complete(part), right);
}

TEST_F(PartFileTest, reserves_the_space_and_still_knows_what_has_arrived) {
    PartFile::reserve(path, content.size());
    EXPECT_GE(PartFile::allocated(path), content.size());
    PartFile part = open();
    EXPECT_TRUE(part.have().empty());
    EXPECT_EQ(complete(part), right);
    EXPECT_EQ(std::filesystem::file_size(path), content.size());
}

TEST(ChunkBytes, grow_with_the_file) {
    EXPECT_EQ(chunk_bytes_for(std::nullopt), 4 * kMiB);
    EXPECT_EQ(chunk_bytes_for(4096 * kMiB), 4 * kMiB);
    EXPECT_EQ(chunk_bytes_for(std::uint64_t{6} << 30), 8 * kMiB);
    EXPECT_EQ(chunk_bytes_for(std::uint64_t{500} << 30), 16 * kMiB);
}

}  // namespace llmm::downloads
