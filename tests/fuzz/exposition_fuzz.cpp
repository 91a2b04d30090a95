#include "fuzz/fuzz_target.hpp"
#include "integrations/engines/engine_metrics.hpp"

LLMM_FUZZ_TARGET(exposition)(std::span<const std::byte> data) {
    using namespace llmm::engines;
    using llmm::fuzz::check;
    const auto samples = parse_exposition(llmm::fuzz::as_text(data));
    check(samples.size() <= kMostSamples, "the number of samples is bounded");
    for (const Sample& sample : samples) {
        check(!sample.name.empty(), "every sample has a name");
        check(sample.labels.size() <= kMostLabels, "the number of labels is bounded");
    }
    for (const std::string_view family : {"llama.cpp", "vllm", "sglang"}) {
        const EngineMetrics metrics = read_metrics(*metric_names(family), samples);
        check(metrics.requests_running.value_or(0) >= 0, "no number is negative");
        check(metrics.kv_cache_usage.value_or(0) >= 0 && metrics.kv_cache_usage.value_or(0) <= 1, "a share is a share");
        check(!metrics.time_to_first_token_seconds || *metrics.time_to_first_token_seconds >= 0, "no time is negative");
    }
}
