#include "integrations/engines/metrics.hpp"

#include <charconv>
#include <cmath>

namespace llmm::engines {
namespace {

constexpr std::size_t kMaxSamples = 20'000;

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

// Behind the name: {label="a \"quoted\" value",…}. npos when it does not end.
std::size_t end_of_labels(std::string_view line, std::size_t start) {
    bool quoted = false;
    for (std::size_t i = start + 1; i < line.size(); ++i) {
        if (quoted && line[i] == '\\') {
            ++i;
        } else if (line[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && line[i] == '}') {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

void take_line(std::string_view line, Samples& samples) {
    std::size_t end = 0;
    while (end < line.size() && is_name_char(line[end]))
        ++end;
    if (end == 0) return;
    const std::string_view name = line.substr(0, end);
    if (end < line.size() && line[end] == '{') end = end_of_labels(line, end);
    if (end == std::string_view::npos) return;
    const auto start = line.find_first_not_of(" \t", end);
    if (start == std::string_view::npos) return;
    const std::string_view number = line.substr(start, line.find_first_of(" \t\r", start) - start);
    double value = 0;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc{} || stop != number.data() + number.size() || !std::isfinite(value)) return;
    if (const auto found = samples.find(name); found != samples.end()) {
        found->second += value;
    } else if (samples.size() < kMaxSamples) {
        samples.emplace(name, value);
    }
}

}  // namespace

Samples parse_samples(std::string_view text) {
    Samples samples;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        take_line(text.substr(0, end), samples);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return samples;
}

EngineMetrics map_metrics(const MetricsMap& map, const Samples& samples) {
    const auto value = [&](const std::string& ours) -> std::optional<double> {
        const auto theirs = map.find(ours);
        if (theirs == map.end()) return std::nullopt;
        if (const auto found = samples.find(theirs->second); found != samples.end()) return found->second;
        const auto sum = samples.find(theirs->second + "_sum");
        const auto count = samples.find(theirs->second + "_count");
        if (sum == samples.end() || count == samples.end() || count->second <= 0) return std::nullopt;
        return sum->second / count->second;
    };
    return {.requests_running = value("requests_running"),
            .requests_waiting = value("requests_waiting"),
            .prompt_tokens_total = value("prompt_tokens_total"),
            .generated_tokens_total = value("generated_tokens_total"),
            .prompt_tokens_per_second = value("prompt_tokens_per_second"),
            .generated_tokens_per_second = value("generated_tokens_per_second"),
            .time_to_first_token_seconds = value("time_to_first_token_seconds"),
            .kv_cache_use = value("kv_cache_use")};
}

EngineMetrics combine(const std::vector<EngineMetrics>& all) {
    const auto over = [&all](std::optional<double> EngineMetrics::* field, bool averaged) {
        std::optional<double> sum;
        double count = 0;
        for (const EngineMetrics& one : all) {
            if (!(one.*field)) continue;
            sum = sum.value_or(0) + *(one.*field);
            ++count;
        }
        return averaged && sum ? std::optional(*sum / count) : sum;
    };
    return {.requests_running = over(&EngineMetrics::requests_running, false),
            .requests_waiting = over(&EngineMetrics::requests_waiting, false),
            .prompt_tokens_total = over(&EngineMetrics::prompt_tokens_total, false),
            .generated_tokens_total = over(&EngineMetrics::generated_tokens_total, false),
            .prompt_tokens_per_second = over(&EngineMetrics::prompt_tokens_per_second, false),
            .generated_tokens_per_second = over(&EngineMetrics::generated_tokens_per_second, false),
            .time_to_first_token_seconds = over(&EngineMetrics::time_to_first_token_seconds, true),
            .kv_cache_use = over(&EngineMetrics::kv_cache_use, true)};
}

}  // namespace llmm::engines
