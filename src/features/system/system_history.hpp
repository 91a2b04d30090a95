#pragma once
#include "features/system/system.hpp"

#include <array>
#include <chrono>
#include <vector>

namespace llmm::system {

struct HistoryPoint {
    TimePoint time;
    std::optional<double> value;
};

// The last readings of every metric, in memory: kKept of them, then the oldest goes.
class History {
  public:
    static constexpr std::chrono::seconds kInterval{5};
    static constexpr int kMostMinutes = 720;
    static constexpr std::size_t kKept = std::chrono::minutes(kMostMinutes) / kInterval;

    void add(TimePoint time, const Resources& resources);
    std::vector<HistoryPoint> since(Metric metric, TimePoint begin) const;  // oldest first

  private:
    struct Sample {
        TimePoint time;
        std::array<double, kMetricCount> values;  // NaN: unknown
    };
    std::vector<Sample> ring_;
    std::size_t oldest_ = 0;
};

}  // namespace llmm::system
