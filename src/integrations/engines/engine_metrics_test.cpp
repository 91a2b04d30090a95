#include "integrations/engines/engine_metrics.hpp"

#include "base/fs/file.hpp"
#include "support/paths.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace llmm::engines {
namespace {

EngineMetrics read(std::string_view family, const std::string& file) {
    const auto text = read_text_file(std::string(LLMM_SOURCE_DIR "/tests/fuzz/corpus/exposition/") + file, 1 << 20);
    return read_metrics(*metric_names(family), parse_exposition(text));
}

TEST(Exposition, ReadsNamesLabelsAndValues) {
    const auto samples = parse_exposition("# HELP a b\n\n a{x=\"1\", y=\"q\\\"\\\\\\n\"} 2.5 1395066363000\r\nb 1e3\n");
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(samples[0].name, "a");
    EXPECT_EQ(samples[0].labels, (std::map<std::string, std::string>{{"x", "1"}, {"y", "q\"\\\n"}}));
    EXPECT_EQ(samples[0].value, 2.5);
    EXPECT_EQ(samples[1], (Sample{"b", {}, 1000}));
}

TEST(Exposition, LeavesOutLinesThatBreakTheFormat) {
    for (const std::string_view bad : {"a", "a x", "1a 2", "{x=\"y\"} 1", "a{x=y} 1", "a{x=\"y\" 1",
                                       "a{x=\"y\" z=\"w\"} 1", "a{x=\"y\\", "a 1 later", "a 0x10", "a ++1"}) {
        EXPECT_TRUE(parse_exposition(bad).empty()) << bad;
    }
    EXPECT_TRUE(std::isnan(parse_exposition("a NaN\n").at(0).value));
    EXPECT_EQ(parse_exposition("a +Inf").at(0).value, INFINITY);
    EXPECT_EQ(parse_exposition(std::string_view("a\0 1\nb 2", 8)).size(), 1u);
}

TEST(Exposition, IsBounded) {
    std::string many;
    for (std::size_t i = 0; i < kMostSamples + 10; ++i)
        many += "a 1\n";
    EXPECT_EQ(parse_exposition(many).size(), kMostSamples);
}

TEST(EngineMetrics, OfLlamaCpp) {
    const EngineMetrics metrics = read("llama.cpp", "llama.cpp.txt");
    EXPECT_EQ(metrics.requests_running, 1);
    EXPECT_EQ(metrics.requests_waiting, 2);
    EXPECT_EQ(metrics.prompt_tokens_total, 51);
    EXPECT_EQ(metrics.generated_tokens_total, 64);
    EXPECT_EQ(metrics.prompt_tokens_per_second, 640.512);
    EXPECT_EQ(metrics.generated_tokens_per_second, 212.871);
    EXPECT_EQ(metrics.time_to_first_token_seconds, std::nullopt);
    EXPECT_EQ(metrics.kv_cache_usage, std::nullopt);
}

TEST(EngineMetrics, OfVllmWorkersAreAddedUp) {
    const EngineMetrics metrics = read("vllm", "vllm.txt");
    EXPECT_EQ(metrics.requests_running, 5);
    EXPECT_EQ(metrics.requests_waiting, 4);
    EXPECT_EQ(metrics.prompt_tokens_total, 1'234'000);
    EXPECT_EQ(metrics.generated_tokens_total, 98'765);
    EXPECT_EQ(metrics.time_to_first_token_seconds, 0.25);
    EXPECT_EQ(metrics.kv_cache_usage, 0.75);
}

TEST(EngineMetrics, OfSglang) {
    const EngineMetrics metrics = read("sglang", "sglang.txt");
    EXPECT_EQ(metrics.requests_running, 7);
    EXPECT_EQ(metrics.requests_waiting, 0);
    EXPECT_EQ(metrics.generated_tokens_per_second, 86.5);
    EXPECT_EQ(metrics.time_to_first_token_seconds, 2.5);
    EXPECT_EQ(metrics.kv_cache_usage, 0.5);
}

TEST(EngineMetrics, OfSeveralInstancesAreOne) {
    const EngineMetrics one{.requests_running = 1, .time_to_first_token_seconds = 1, .kv_cache_usage = 0.2};
    const EngineMetrics other{.requests_running = 2, .requests_waiting = 3, .time_to_first_token_seconds = 3};
    const EngineMetrics both[] = {one, other};
    const EngineMetrics all = combined(both);
    EXPECT_EQ(all.requests_running, 3);
    EXPECT_EQ(all.requests_waiting, 3);
    EXPECT_EQ(all.time_to_first_token_seconds, 2);
    EXPECT_EQ(all.kv_cache_usage, 0.2);
    EXPECT_EQ(all.prompt_tokens_total, std::nullopt);
    EXPECT_EQ(combined({}), EngineMetrics{});
}

TEST(EngineMetrics, OfAnUnknownEngineHaveNoNames) {
    EXPECT_EQ(metric_names("ollama"), nullptr);
}

}  // namespace
}  // namespace llmm::engines
