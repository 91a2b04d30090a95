#include "base/metrics/metrics.hpp"

#include <map>
#include <mutex>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace llmm {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60};

prometheus::MetricFamily family_of(const MetricReading& reading) {
    prometheus::MetricFamily family;
    family.name = reading.name;
    family.help = reading.help;
    family.type = reading.counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    return family;
}

prometheus::ClientMetric metric_of(const MetricReading& reading) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : reading.labels)
        metric.label.push_back({name, value});
    (reading.counter ? metric.counter.value : metric.gauge.value) = reading.value;
    return metric;
}

std::map<std::string, std::string> as_map(const MetricLabels& labels) {
    return {labels.begin(), labels.end()};
}

}  // namespace

struct MetricRegistry::Impl {
    std::mutex mutex;  // of the maps; the numbers have their own
    prometheus::Registry registry;
    std::map<std::string, prometheus::Family<prometheus::Counter>*> counters;
    std::map<std::string, prometheus::Family<prometheus::Histogram>*> histograms;
};

MetricRegistry::MetricRegistry() : impl_(std::make_unique<Impl>()) {}
MetricRegistry::~MetricRegistry() = default;

void MetricRegistry::count(const std::string& name, const std::string& help, const MetricLabels& labels, double by) {
    const std::lock_guard lock(impl_->mutex);
    auto*& family = impl_->counters[name];
    if (!family) family = &prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
    family->Add(as_map(labels)).Increment(by);
}

void MetricRegistry::observe_seconds(const std::string& name, const std::string& help, const MetricLabels& labels,
                                     double seconds) {
    const std::lock_guard lock(impl_->mutex);
    auto*& family = impl_->histograms[name];
    if (!family) family = &prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
    family->Add(as_map(labels), kSeconds).Observe(seconds);
}

std::string MetricRegistry::exposition(const std::vector<MetricReading>& readings) const {
    auto families = impl_->registry.Collect();
    std::map<std::string, std::size_t> places;
    for (const MetricReading& reading : readings) {
        const auto [place, added] = places.emplace(reading.name, families.size());
        if (added) families.push_back(family_of(reading));
        families[place->second].metric.push_back(metric_of(reading));
    }
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace llmm
