#include "features/benchmarks/benchmark.hpp"

#include "base/json/json.hpp"
#include "features/benchmarks/benchmark_json.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::benchmarks {
namespace {

TEST(Benchmark, a_spread_is_made_of_values_that_were_measured) {
    EXPECT_FALSE(spread_of({}));
    EXPECT_EQ(spread_of({7}), (Spread{7, 7, 7, 7, 7}));
    std::vector<double> samples;
    for (int i = 100; i >= 1; --i)
        samples.push_back(i);
    EXPECT_EQ(spread_of(samples), (Spread{50.5, 50, 90, 99, 100}));
    EXPECT_EQ(spread_of({1, 2, 3}), (Spread{2, 2, 3, 3, 3}));
}

TEST(Benchmark, failed_requests_are_counted_and_measure_nothing) {
    const std::vector<Sample> samples{
        {.first_ms = 10, .total_ms = 30, .gaps_ms = {5, 15}, .prompt_tokens = 4, .completion_tokens = 3},
        {.failure = ErrorCode::engine_timeout, .first_ms = 9999, .total_ms = 9999},
        {.first_ms = 20, .total_ms = 40, .gaps_ms = {10}, .prompt_tokens = 4, .completion_tokens = 5}};
    const Level level = level_of(2, std::chrono::milliseconds(500), samples);
    EXPECT_EQ(level.concurrency, 2);
    EXPECT_EQ(level.requests, 3);
    EXPECT_EQ(level.errors, (std::map<std::string, int>{{"ENGINE_TIMEOUT", 1}}));
    EXPECT_EQ(level.completion_tokens, 8);
    EXPECT_EQ(level.prompt_tokens, 8);
    EXPECT_EQ(level.tokens_per_second, 16);
    EXPECT_EQ(level.requests_per_second, 4);
    EXPECT_EQ(level.time_to_first_token->max, 20);
    EXPECT_EQ(level.inter_token->mean, 10);
    EXPECT_EQ(level.total->p50, 30);
}

TEST(Benchmark, columns_come_back_as_they_were) {
    const Level level =
        level_of(2, std::chrono::milliseconds(500),
                 {{.first_ms = 10.5, .total_ms = 30, .completion_tokens = 3}, {.failure = ErrorCode::internal}});
    EXPECT_EQ(levels_from_text(to_text(std::vector<Level>{level})), std::vector<Level>{level});
    EXPECT_EQ(levels_from_text("[]"), std::vector<Level>{});
    const Plan plan{{1, 3}, 7, "ask", 9};
    EXPECT_EQ(plan_from_text(to_text(plan)), plan);
}

TEST(Benchmark, a_plan_has_bounds) {
    const Plan plan = parse_plan(parse_json("{}"));
    EXPECT_EQ(plan.concurrency, (std::vector<int>{1, 2, 4, 8}));
    EXPECT_FALSE(plan.prompt.empty());
    EXPECT_EQ(parse_plan(parse_json(R"({"concurrency":[3],"requests":2,"max_tokens":5,"prompt":"x"})")),
              (Plan{{3}, 2, "x", 5}));
    for (const char* bad : {R"({"concurrency":[]})", R"({"concurrency":[0]})", R"({"concurrency":[513]})",
                            R"({"concurrency":1})", R"({"concurrency":["1"]})", R"({"requests":0})",
                            R"({"max_tokens":5000})", R"({"prompt":""})", R"({"x":1})", "[]"}) {
        EXPECT_THROW(parse_plan(parse_json(bad)), Error) << bad;
    }
}

}  // namespace
}  // namespace llmm::benchmarks
