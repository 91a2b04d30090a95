#include "base/time/time.hpp"

#include <gtest/gtest.h>

namespace llmm {

TEST(Time, prints_utc_with_milliseconds) {
    EXPECT_EQ(to_rfc3339(from_epoch_ms(0)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(to_rfc3339(from_epoch_ms(1'769'860'800'123)), "2026-01-31T12:00:00.123Z");
}

TEST(Time, reads_back_what_it_prints) {
    for (const std::int64_t ms : {0LL, 1LL, 951'782'400'000LL, 1'769'860'800'123LL}) {
        EXPECT_EQ(parse_rfc3339(to_rfc3339(from_epoch_ms(ms))), from_epoch_ms(ms));
    }
}

TEST(Time, reads_offsets_and_fractions) {
    EXPECT_EQ(parse_rfc3339("2026-01-31T14:00:00+02:00"), parse_rfc3339("2026-01-31T12:00:00Z"));
    EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.5Z"), parse_rfc3339("2026-01-31T12:00:00.500Z"));
    for (const char* bad : {"", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00",
                            "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00Zx"}) {
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    }
}

}  // namespace llmm
