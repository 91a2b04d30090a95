#pragma once
#include "integrations/engines/exposition.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::engines {

// What every engine is asked for, whatever it calls it. nullopt: this engine does not tell.
struct EngineMetrics {
    std::optional<double> requests_running, requests_waiting;
    std::optional<double> prompt_tokens_total, generated_tokens_total;
    std::optional<double> prompt_tokens_per_second, generated_tokens_per_second;
    std::optional<double> time_to_first_token_seconds;  // mean over all requests so far
    std::optional<double> kv_cache_usage;               // 0 to 1
    friend bool operator==(const EngineMetrics&, const EngineMetrics&) = default;
};

// Under which names an engine tells a number: the first that is there counts, its samples added up (an engine may tell
// one for each worker). For a time, the names of sum and count.
struct MetricNames {
    std::vector<std::string> requests_running, requests_waiting;
    std::vector<std::string> prompt_tokens_total, generated_tokens_total;
    std::vector<std::string> prompt_tokens_per_second, generated_tokens_per_second;
    std::vector<std::string> time_to_first_token_seconds;  // without "_sum" and "_count"
    std::vector<std::string> kv_cache_usage;
};

// "llama.cpp", "vllm", "sglang"; nullptr for an engine of which no names are known.
const MetricNames* metric_names(std::string_view family);

EngineMetrics read_metrics(const MetricNames& names, std::span<const Sample> samples);

// Several instances of one deployment as one: sums; the mean of times, weighted by nothing but their number; the
// fullest cache.
EngineMetrics combined(std::span<const EngineMetrics> instances);

}  // namespace llmm::engines
