#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::engines {

// One schema for what every engine measures about itself. What an engine does not say is absent.
struct EngineMetrics {
    std::optional<double> requests_running, requests_waiting;
    std::optional<double> prompt_tokens_total, generated_tokens_total;
    std::optional<double> prompt_tokens_per_second, generated_tokens_per_second;
    std::optional<double> time_to_first_token_seconds;  // mean
    std::optional<double> kv_cache_use;                 // 0..1
};

// Our name → the engine's. The mean of a histogram or summary is taken under the name without "_sum" and "_count".
using MetricsMap = std::map<std::string, std::string>;

// Samples of the text format of Prometheus by their name, those of all labels added up. What is no sample is passed
// over.
using Samples = std::map<std::string, double, std::less<>>;
Samples parse_samples(std::string_view text);
EngineMetrics map_metrics(const MetricsMap& map, const Samples& samples);
// Of several instances: counts and speeds add up, the rest is averaged.
EngineMetrics combine(const std::vector<EngineMetrics>& all);

}  // namespace llmm::engines
