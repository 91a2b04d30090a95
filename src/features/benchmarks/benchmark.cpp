#include "features/benchmarks/benchmark.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace llmm::benchmarks {
namespace {

constexpr std::array<std::string_view, 5> kStatuses{"queued", "running", "completed", "failed", "cancelled"};

double rounded(double value) {
    return std::round(value * 1000) / 1000;
}

// Nearest rank: a value that was measured.
double percentile(const std::vector<double>& sorted, double share) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

}  // namespace

std::string_view name_of(Status status) {
    return kStatuses[static_cast<std::size_t>(status)];
}

std::optional<Status> parse_status(std::string_view text) {
    for (std::size_t i = 0; i < kStatuses.size(); ++i) {
        if (kStatuses[i] == text) return static_cast<Status>(i);
    }
    return std::nullopt;
}

std::optional<Spread> spread_of(std::vector<double> samples) {
    if (samples.empty()) return std::nullopt;
    std::sort(samples.begin(), samples.end());
    const double sum = std::accumulate(samples.begin(), samples.end(), 0.0);
    return Spread{rounded(sum / static_cast<double>(samples.size())), rounded(percentile(samples, 0.5)),
                  rounded(percentile(samples, 0.9)), rounded(percentile(samples, 0.99)), rounded(samples.back())};
}

Level level_of(int concurrency, std::chrono::duration<double> took, const std::vector<Sample>& samples) {
    Level level{.concurrency = concurrency, .requests = static_cast<int>(samples.size())};
    level.seconds = rounded(took.count());
    std::vector<double> first, gaps, total;
    for (const Sample& sample : samples) {
        if (sample.failure) {
            ++level.errors[std::string(name_of(*sample.failure))];
            continue;
        }
        level.prompt_tokens += sample.prompt_tokens;
        level.completion_tokens += sample.completion_tokens;
        first.push_back(sample.first_ms);
        total.push_back(sample.total_ms);
        gaps.insert(gaps.end(), sample.gaps_ms.begin(), sample.gaps_ms.end());
    }
    if (took.count() > 0) {
        level.tokens_per_second = rounded(static_cast<double>(level.completion_tokens) / took.count());
        level.requests_per_second = rounded(static_cast<double>(total.size()) / took.count());
    }
    level.time_to_first_token = spread_of(std::move(first));
    level.inter_token = spread_of(std::move(gaps));
    level.total = spread_of(std::move(total));
    return level;
}

}  // namespace llmm::benchmarks
