#include "features/downloads/range_planner.hpp"

#include <random>

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

constexpr std::uint64_t kMiB = 1 << 20, kChunk = 4 * kMiB;

}  // namespace

TEST(RangePlanner, hands_out_chunks_from_the_beginning) {
    RangePlanner planner(kChunk, ByteRanges().missing(100 * kMiB));
    EXPECT_EQ(planner.take(0)->range(), (ByteRange{0, kChunk}));
    EXPECT_EQ(planner.take(9 * kMiB)->range(), (ByteRange{kChunk, 12 * kMiB}));
    EXPECT_EQ(planner.unassigned(), 88 * kMiB);
}

TEST(RangePlanner, leaves_no_crumb) {
    RangePlanner planner(kChunk, ByteRanges().missing(5 * kMiB));
    EXPECT_EQ(planner.take(0)->range(), (ByteRange{0, 5 * kMiB}));
    EXPECT_FALSE(planner.can_take());
}

TEST(RangePlanner, goes_on_at_the_exact_byte) {
    RangePlanner planner(kChunk, ByteRanges().missing(8 * kMiB));
    const auto piece = planner.take(0);
    EXPECT_EQ(piece->take(1000).bytes, 1000u);
    planner.give_back(piece);
    EXPECT_EQ(planner.take(0)->range(), (ByteRange{1000, kChunk}));
}

TEST(RangePlanner, does_not_run_far_ahead_of_the_first_missing_byte) {
    RangePlanner planner(kChunk, ByteRanges().missing(std::uint64_t{4} << 30));
    const auto first = planner.take(0);
    while (planner.can_take())
        planner.take(64 * kMiB);
    EXPECT_LE(planner.pieces().back()->range().end, RangePlanner::kLead + 64 * kMiB);
    first->take(kChunk);
    planner.give_back(first);
    EXPECT_FALSE(planner.is_complete());
}

TEST(RangePlanner, splits_the_longest_tail) {
    RangePlanner planner(kChunk, ByteRanges().missing(64 * kMiB));
    const auto piece = planner.take(64 * kMiB);
    piece->take(4 * kMiB);
    const auto tail = planner.split(kMiB);
    ASSERT_TRUE(tail);
    EXPECT_EQ(piece->range().end, 34 * kMiB);
    EXPECT_EQ(tail->range(), (ByteRange{34 * kMiB, 64 * kMiB}));
    // More than wanted comes to the first: it takes its part and ends.
    const auto grant = piece->take(40 * kMiB);
    EXPECT_EQ(grant.bytes, 30 * kMiB);
    EXPECT_TRUE(grant.ended);
    EXPECT_TRUE(piece->take(1).ended);
}

TEST(RangePlanner, every_byte_is_fetched_once_whatever_happens) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        const std::uint64_t size = 1 + random() % (40 * kMiB);
        RangePlanner planner(kChunk, ByteRanges().missing(size));
        ByteRanges got;
        int steps = 0;
        while (!planner.is_complete()) {
            ASSERT_LT(++steps, 10'000) << "seed " << seed;
            if (planner.pieces().size() < 6 && random() % 2 == 0) {
                if (!planner.take(random() % (16 * kMiB))) planner.split(kMiB);
                continue;
            }
            if (planner.pieces().empty()) continue;
            const auto piece =
                *std::next(planner.pieces().begin(), static_cast<std::ptrdiff_t>(random() % planner.pieces().size()));
            if (random() % 20 == 0) piece->stop();
            const auto grant = piece->take(random() % (2 * kMiB));
            ASSERT_FALSE(got.overlaps({grant.offset, grant.offset + grant.bytes})) << "seed " << seed;
            got.add({grant.offset, grant.offset + grant.bytes});
            if (grant.ended || random() % 8 == 0) planner.give_back(piece);
        }
        EXPECT_EQ(got.size(), size) << "seed " << seed;
    }
}

TEST(RangePlanner, splits_what_is_still_fetched) {
    RangePlanner planner(4 << 20, ByteRanges().missing(64 << 20));
    const auto longest = planner.take(40 << 20), other = planner.take(24 << 20);
    longest->stop();  // too slow: it ends with its next byte
    const auto tail = planner.split(1 << 20);
    ASSERT_TRUE(tail);
    EXPECT_EQ(tail->range().end, 64U << 20);
    EXPECT_EQ(other->range().end, tail->range().begin);
    other->stop();
    tail->stop();
    EXPECT_FALSE(planner.split(1 << 20));
}

}  // namespace llmm::downloads
