#include "integrations/engines/metrics.hpp"

#include <gtest/gtest.h>

namespace llmm::engines {
namespace {

TEST(EngineMetrics, are_read_from_the_text_format) {
    const Samples samples = parse_samples(R"(# HELP vllm:num_requests_running x
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a \"b} c"} 2.0
vllm:num_requests_running{engine="1"} 3 1700000000000
vllm:time_to_first_token_seconds_bucket{le="0.1"} 1
vllm:time_to_first_token_seconds_sum{engine="0"} 1.5
vllm:time_to_first_token_seconds_count{engine="0"} 6
llamacpp:tokens_predicted_total 1e3
broken{never="ends 1
nothing
not_a_number{} NaN
9
)");
    EXPECT_EQ(samples.at("vllm:num_requests_running"), 5);
    EXPECT_EQ(samples.at("llamacpp:tokens_predicted_total"), 1000);
    EXPECT_FALSE(samples.contains("broken"));
    EXPECT_FALSE(samples.contains("not_a_number"));

    const EngineMetrics metrics = map_metrics({{"requests_running", "vllm:num_requests_running"},
                                               {"time_to_first_token_seconds", "vllm:time_to_first_token_seconds"},
                                               {"requests_waiting", "vllm:absent"}},
                                              samples);
    EXPECT_EQ(metrics.requests_running, 5);
    EXPECT_EQ(metrics.time_to_first_token_seconds, 0.25);
    EXPECT_EQ(metrics.requests_waiting, std::nullopt) << "not said is not nought";
    EXPECT_EQ(metrics.kv_cache_use, std::nullopt);
}

}  // namespace
}  // namespace llmm::engines
