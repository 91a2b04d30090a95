#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmm {

// Values of labels come from closed lists or from what exists in the database; never from a request.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// A number that is read when somebody asks.
struct MetricReading {
    std::string name;
    std::string help;
    MetricLabels labels = {};
    double value = 0;
    bool counter = false;  // only grows; else it goes up and down
};

// What the service tells a monitoring system: numbers that are counted as things happen, and readings. Safe from any
// thread.
class MetricRegistry {
  public:
    MetricRegistry();
    ~MetricRegistry();
    MetricRegistry(const MetricRegistry&) = delete;
    MetricRegistry& operator=(const MetricRegistry&) = delete;

    void count(const std::string& name, const std::string& help, const MetricLabels& labels, double by = 1);
    // Into a histogram of seconds, from a millisecond to a minute.
    void observe_seconds(const std::string& name, const std::string& help, const MetricLabels& labels, double seconds);

    // Prometheus' text format: what was counted, then the readings.
    std::string exposition(const std::vector<MetricReading>& readings) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace llmm
