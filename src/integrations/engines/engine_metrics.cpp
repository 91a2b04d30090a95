#include "integrations/engines/engine_metrics.hpp"

#include <algorithm>
#include <cmath>

namespace llmm::engines {
namespace {

// Names of llama.cpp b11669 (tools/server), vLLM's and SGLang's documentation; the later ones of a list are of older
// versions.
const MetricNames kLlamaCpp{.requests_running = {"llamacpp:requests_processing"},
                            .requests_waiting = {"llamacpp:requests_deferred"},
                            .prompt_tokens_total = {"llamacpp:prompt_tokens_total"},
                            .generated_tokens_total = {"llamacpp:tokens_predicted_total"},
                            .prompt_tokens_per_second = {"llamacpp:prompt_tokens_seconds"},
                            .generated_tokens_per_second = {"llamacpp:predicted_tokens_seconds"},
                            .time_to_first_token_seconds = {},
                            .kv_cache_usage = {"llamacpp:kv_cache_usage_ratio"}};
const MetricNames kVllm{.requests_running = {"vllm:num_requests_running"},
                        .requests_waiting = {"vllm:num_requests_waiting"},
                        .prompt_tokens_total = {"vllm:prompt_tokens_total", "vllm:prompt_tokens"},
                        .generated_tokens_total = {"vllm:generation_tokens_total", "vllm:generation_tokens"},
                        .prompt_tokens_per_second = {"vllm:avg_prompt_throughput_toks_per_s"},
                        .generated_tokens_per_second = {"vllm:avg_generation_throughput_toks_per_s"},
                        .time_to_first_token_seconds = {"vllm:time_to_first_token_seconds"},
                        .kv_cache_usage = {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}};
const MetricNames kSglang{.requests_running = {"sglang:num_running_reqs"},
                          .requests_waiting = {"sglang:num_queue_reqs"},
                          .prompt_tokens_total = {"sglang:prompt_tokens_total"},
                          .generated_tokens_total = {"sglang:generation_tokens_total"},
                          .prompt_tokens_per_second = {},
                          .generated_tokens_per_second = {"sglang:gen_throughput"},
                          .time_to_first_token_seconds = {"sglang:time_to_first_token_seconds"},
                          .kv_cache_usage = {"sglang:token_usage"}};

std::optional<double> sum_of(std::span<const Sample> samples, std::string_view name, std::string_view suffix = "") {
    std::optional<double> sum;
    for (const Sample& sample : samples) {
        if (!sample.name.starts_with(name) || std::string_view(sample.name).substr(name.size()) != suffix) continue;
        if (std::isfinite(sample.value) && sample.value >= 0) sum = sum.value_or(0) + sample.value;
    }
    return sum;
}

std::optional<double> first_of(std::span<const Sample> samples, const std::vector<std::string>& names) {
    for (const std::string& name : names)
        if (const auto sum = sum_of(samples, name)) return sum;
    return std::nullopt;
}

// Of a worker's cache, the fullest.
std::optional<double> largest_of(std::span<const Sample> samples, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        std::optional<double> largest;
        for (const Sample& sample : samples)
            if (sample.name == name && std::isfinite(sample.value)) largest = std::max(largest, {sample.value});
        if (largest) return std::clamp(*largest, 0.0, 1.0);
    }
    return std::nullopt;
}

std::optional<double> mean_of(std::span<const Sample> samples, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        const auto sum = sum_of(samples, name, "_sum"), count = sum_of(samples, name, "_count");
        if (sum && count) return *count > 0 ? std::optional(*sum / *count) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

const MetricNames* metric_names(std::string_view family) {
    if (family == "llama.cpp") return &kLlamaCpp;
    if (family == "vllm") return &kVllm;
    if (family == "sglang") return &kSglang;
    return nullptr;
}

EngineMetrics read_metrics(const MetricNames& names, std::span<const Sample> samples) {
    return {.requests_running = first_of(samples, names.requests_running),
            .requests_waiting = first_of(samples, names.requests_waiting),
            .prompt_tokens_total = first_of(samples, names.prompt_tokens_total),
            .generated_tokens_total = first_of(samples, names.generated_tokens_total),
            .prompt_tokens_per_second = first_of(samples, names.prompt_tokens_per_second),
            .generated_tokens_per_second = first_of(samples, names.generated_tokens_per_second),
            .time_to_first_token_seconds = mean_of(samples, names.time_to_first_token_seconds),
            .kv_cache_usage = largest_of(samples, names.kv_cache_usage)};
}

EngineMetrics combined(std::span<const EngineMetrics> instances) {
    EngineMetrics all;
    double times = 0;
    int with_time = 0;
    const auto add = [](std::optional<double>& sum, const std::optional<double>& value) {
        if (value) sum = sum.value_or(0) + *value;
    };
    for (const EngineMetrics& one : instances) {
        add(all.requests_running, one.requests_running);
        add(all.requests_waiting, one.requests_waiting);
        add(all.prompt_tokens_total, one.prompt_tokens_total);
        add(all.generated_tokens_total, one.generated_tokens_total);
        add(all.prompt_tokens_per_second, one.prompt_tokens_per_second);
        add(all.generated_tokens_per_second, one.generated_tokens_per_second);
        all.kv_cache_usage = std::max(all.kv_cache_usage, one.kv_cache_usage);
        if (!one.time_to_first_token_seconds) continue;
        times += *one.time_to_first_token_seconds;
        ++with_time;
    }
    if (with_time > 0) all.time_to_first_token_seconds = times / with_time;
    return all;
}

}  // namespace llmm::engines
