#include "features/system/system_history.hpp"

#include <cmath>
#include <limits>

namespace llmm::system {

void History::add(TimePoint time, const Resources& resources) {
    Sample sample{.time = time, .values = {}};
    for (std::size_t i = 0; i < kMetricCount; ++i) {
        sample.values[i] =
            value_of(resources, static_cast<Metric>(i)).value_or(std::numeric_limits<double>::quiet_NaN());
    }
    if (ring_.size() < kKept) {
        ring_.push_back(sample);
    } else {
        ring_[oldest_] = sample;
        oldest_ = (oldest_ + 1) % kKept;
    }
}

std::vector<HistoryPoint> History::since(Metric metric, TimePoint begin) const {
    std::vector<HistoryPoint> points;
    for (std::size_t i = 0; i < ring_.size(); ++i) {
        const Sample& sample = ring_[(oldest_ + i) % ring_.size()];
        if (sample.time < begin) continue;
        const double value = sample.values[static_cast<std::size_t>(metric)];
        points.push_back({sample.time, std::isnan(value) ? std::nullopt : std::optional(value)});
    }
    return points;
}

}  // namespace llmm::system
