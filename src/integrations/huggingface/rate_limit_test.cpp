#include "integrations/huggingface/rate_limit.hpp"

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = RateLimits::Clock;

const Clock::time_point kStart = Clock::time_point() + std::chrono::hours(1);
const TimePoint kWall = *parse_rfc3339("2026-01-31T12:00:00Z");

}  // namespace

TEST(HuggingFaceRateLimit, reads_the_window_of_each_class) {
    const auto windows = parse_rate_limit(R"("resolvers";r=2998;t=172, "api";r=0;t=3)");
    ASSERT_EQ(windows.size(), 2u);
    EXPECT_EQ(windows[0].request_class, RequestClass::resolvers);
    EXPECT_EQ(windows[0].remaining, 2998);
    EXPECT_EQ(windows[0].until_reset, seconds(172));
    EXPECT_EQ(windows[1].request_class, RequestClass::api);
    EXPECT_EQ(windows[1].remaining, 0);
}

TEST(HuggingFaceRateLimit, leaves_out_what_it_cannot_read) {
    for (const char* bad : {"", ",", "api;r=1;t=1", R"("pages";r=1;t=1)", R"("api";r=-1;t=1)", R"("api";r=x;t=1)",
                            R"("api";t=1)", R"("api";r=1)", R"("api";r=99999999999999999999;t=1)"}) {
        EXPECT_TRUE(parse_rate_limit(bad).empty()) << bad;
    }
    EXPECT_TRUE(parse_rate_policy(R"("fixed window";"api";w=300)").empty());
}

TEST(HuggingFaceRateLimit, never_believes_in_more_than_a_day) {
    EXPECT_EQ(parse_rate_limit(R"("api";r=0;t=999999999)").at(0).until_reset, std::chrono::hours(24));
    EXPECT_EQ(parse_retry_after("999999999", kWall), std::chrono::hours(24));
}

TEST(HuggingFaceRateLimit, reads_the_policy) {
    const auto policies = parse_rate_policy(R"("fixed window";"resolvers";q=3000;w=300)");
    ASSERT_EQ(policies.size(), 1u);
    EXPECT_EQ(policies[0].request_class, RequestClass::resolvers);
    EXPECT_EQ(policies[0].quota, 3000);
}

TEST(HuggingFaceRateLimit, reads_retry_after_in_both_forms) {
    EXPECT_EQ(parse_retry_after("17", kWall), seconds(17));
    EXPECT_EQ(parse_retry_after(" 0 ", kWall), seconds(0));
    EXPECT_EQ(parse_retry_after("Sat, 31 Jan 2026 12:01:30 GMT", kWall), seconds(90));
    EXPECT_EQ(parse_retry_after("Sat, 31 Jan 2026 11:00:00 GMT", kWall), seconds(0));
    for (const char* bad : {"", "-1", "1.5", "soon", "Sat, 31 Foo 2026 12:01:30 GMT", "Sat, 31 Feb 2026 12:01:30 GMT",
                            "Sat, 31 Jan 2026 24:00:00 GMT", "2026-01-31T12:01:30Z"}) {
        EXPECT_EQ(parse_retry_after(bad, kWall), std::nullopt) << bad;
    }
}

TEST(HuggingFaceRateLimit, lets_requests_go_while_nothing_is_known) {
    RateLimits limits;
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(limits.take(RequestClass::api, kStart), milliseconds(0));
}

TEST(HuggingFaceRateLimit, counts_down_what_is_left_and_then_waits_for_the_window) {
    RateLimits limits;
    limits.observe({{"ratelimit", R"("api";r=2;t=5)"}}, kStart);
    EXPECT_EQ(limits.take(RequestClass::api, kStart), milliseconds(0));
    EXPECT_EQ(limits.take(RequestClass::api, kStart), milliseconds(0));
    EXPECT_EQ(limits.take(RequestClass::api, kStart + seconds(2)), seconds(4));  // one more than told
    EXPECT_EQ(limits.take(RequestClass::resolvers, kStart), milliseconds(0));
    EXPECT_EQ(limits.take(RequestClass::api, kStart + seconds(6)), milliseconds(0));
}

TEST(HuggingFaceRateLimit, starts_the_next_window_with_the_quota_of_the_policy) {
    RateLimits limits;
    limits.observe({{"RateLimit", R"("api";r=0;t=5)"}, {"RateLimit-Policy", R"("fixed window";"api";q=2;w=300)"}},
                   kStart);
    const auto later = kStart + seconds(6);
    EXPECT_EQ(limits.take(RequestClass::api, later), milliseconds(0));
    // The reset is over and no answer told of a new one yet: the quota is spent, but there is no time to wait
    // for.
    EXPECT_EQ(limits.take(RequestClass::api, later), milliseconds(0));
}

TEST(HuggingFaceRateLimit, believes_the_window_of_a_refusal_before_retry_after) {
    RateLimits limits;
    EXPECT_EQ(
        limits.refuse(RequestClass::api, {{"RateLimit", R"("api";r=0;t=7)"}, {"Retry-After", "3"}}, kStart, kWall),
        seconds(8));
    EXPECT_EQ(limits.take(RequestClass::api, kStart), seconds(8));
}

TEST(HuggingFaceRateLimit, uses_retry_after_when_the_window_of_the_class_is_not_told) {
    RateLimits limits;
    limits.observe({{"RateLimit", R"("api";r=400;t=200)"}}, kStart);
    EXPECT_EQ(limits.refuse(RequestClass::api, {{"Retry-After", "3"}}, kStart, kWall), seconds(3));
    EXPECT_EQ(limits.take(RequestClass::api, kStart + seconds(1)), seconds(2));
}

TEST(HuggingFaceRateLimit, waits_a_while_after_a_refusal_that_tells_nothing) {
    RateLimits limits;
    EXPECT_EQ(limits.refuse(RequestClass::resolvers, {}, kStart, kWall), seconds(10));
    EXPECT_EQ(limits.take(RequestClass::api, kStart), milliseconds(0));
}

}  // namespace llmm::hubs::huggingface
