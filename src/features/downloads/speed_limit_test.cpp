#include "features/downloads/speed_limit.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

// What gets through in ten seconds to readers that take 64 KiB whenever they may.
double bytes_in_ten_seconds(SpeedLimit& limit, SpeedLimit::Clock::time_point now) {
    const auto end = now + 10s;
    double bytes = 0;
    while (now < end) {
        const auto wait = limit.wait(now);
        if (wait > 0ms) {
            now += wait;
            continue;
        }
        limit.take(64 << 10, now);
        bytes += 64 << 10;
        now += 10us;
    }
    return bytes;
}

}  // namespace

TEST(SpeedLimit, holds_the_rate_over_time) {
    SpeedLimit limit(1'000'000);
    EXPECT_NEAR(bytes_in_ten_seconds(limit, SpeedLimit::Clock::now()), 10e6, 0.3e6);
}

TEST(SpeedLimit, may_change_while_somebody_waits) {
    SpeedLimit limit(1024);
    auto now = SpeedLimit::Clock::now();
    limit.take(1 << 20, now);
    EXPECT_LE(limit.wait(now), 200ms);  // looks again soon
    limit.set(0);
    EXPECT_EQ(limit.wait(now), 0ms);
    limit.set(5'000'000);
    EXPECT_NEAR(bytes_in_ten_seconds(limit, SpeedLimit::Clock::now()), 50e6, 1.5e6);
}

TEST(SpeedLimit, buffers_are_small_when_the_limit_is) {
    EXPECT_EQ(buffer_bytes_for(0), 512u << 10);
    EXPECT_EQ(buffer_bytes_for(1'000'000), 20'000u);
    EXPECT_EQ(buffer_bytes_for(1024), 16u << 10);
}

}  // namespace llmm::downloads
