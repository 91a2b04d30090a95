#include "features/downloads/byte_ranges.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace llmm::downloads {

TEST(ByteRanges, neighbours_become_one) {
    ByteRanges set;
    set.add({10, 20});
    set.add({30, 40});
    set.add({20, 30});
    EXPECT_EQ(set.map(), (std::map<std::uint64_t, std::uint64_t>{{10, 40}}));
    EXPECT_EQ(set.run_end(10), 40u);
    EXPECT_EQ(set.run_end(9), 9u);
    EXPECT_EQ(set.missing(50).map(), (std::map<std::uint64_t, std::uint64_t>{{0, 10}, {40, 50}}));
}

TEST(ByteRanges, behaves_like_a_set_of_bytes) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        ByteRanges set;
        std::vector<bool> model(64);
        for (int step = 0; step < 30; ++step) {
            const std::uint64_t begin = random() % 64, end = std::min<std::uint64_t>(64, begin + random() % 20);
            const bool adds = random() % 3 != 0;
            bool overlaps = false;
            for (std::uint64_t i = begin; i < end; ++i)
                overlaps = overlaps || model[i];
            EXPECT_EQ(set.overlaps({begin, end}), overlaps);
            adds ? set.add({begin, end}) : set.remove({begin, end});
            for (std::uint64_t i = begin; i < end; ++i)
                model[i] = adds;
            std::uint64_t bytes = 0;
            for (std::uint64_t i = 0; i < 64; ++i) {
                bytes += model[i] ? 1 : 0;
                EXPECT_EQ(set.overlaps({i, i + 1}), model[i]) << i;
            }
            ASSERT_EQ(set.size(), bytes);
        }
    }
}

TEST(ByteRanges, gives_its_first_bytes_and_finds_the_next) {
    ByteRanges set;
    set.add({10, 20});
    set.add({30, 40});
    EXPECT_EQ(set.next(0), 10u);
    EXPECT_EQ(set.next(15), 15u);
    EXPECT_EQ(set.next(20), 30u);
    EXPECT_EQ(set.next(40), UINT64_MAX);
    const ByteRanges first = set.take(13);
    EXPECT_EQ(first.map(), (std::map<std::uint64_t, std::uint64_t>{{10, 20}, {30, 33}}));
    EXPECT_EQ(set.map(), (std::map<std::uint64_t, std::uint64_t>{{33, 40}}));
    EXPECT_EQ(set.take(UINT64_MAX).size(), 7u);
    EXPECT_TRUE(set.empty());
}

}  // namespace llmm::downloads
