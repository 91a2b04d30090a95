#include "features/system/system.hpp"

#include <algorithm>
#include <array>

namespace llmm::system {
namespace {

struct MetricName {
    std::string_view name, unit;
};
constexpr std::array<MetricName, kMetricCount> kNames{{{"cpu_percent", "percent"},
                                                       {"load_1m", "processes"},
                                                       {"memory_used", "bytes"},
                                                       {"memory_available", "bytes"},
                                                       {"process_rss", "bytes"},
                                                       {"disk_free", "bytes"},
                                                       {"network_received", "bytes/s"},
                                                       {"network_sent", "bytes/s"},
                                                       {"gpu_usage_percent", "percent"},
                                                       {"gpu_memory_used", "bytes"}}};

template <class T>
std::optional<double> as_double(const std::optional<T>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

// Of those that tell; nullopt when none does.
template <class Field>
std::optional<double> over_gpus(const Resources& resources, Field field, bool mean) {
    double sum = 0;
    int count = 0;
    for (const hardware::Gpu& gpu : resources.gpus) {
        if (const auto value = as_double(gpu.*field)) {
            sum += *value;
            ++count;
        }
    }
    if (count == 0) return std::nullopt;
    return mean ? sum / count : sum;
}

}  // namespace

std::string_view name_of(Metric metric) {
    return kNames[static_cast<std::size_t>(metric)].name;
}

std::string_view unit_of(Metric metric) {
    return kNames[static_cast<std::size_t>(metric)].unit;
}

std::optional<Metric> parse_metric(std::string_view text) {
    const auto found = std::ranges::find(kNames, text, &MetricName::name);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<Metric>(found - kNames.begin());
}

std::optional<double> value_of(const Resources& resources, Metric metric) {
    switch (metric) {
        case Metric::cpu_percent:
            return resources.cpu_percent;
        case Metric::load_1m:
            return resources.load_1m;
        case Metric::memory_used:
            return resources.memory
                       ? std::optional(static_cast<double>(resources.memory->total - resources.memory->available))
                       : std::nullopt;
        case Metric::memory_available:
            return resources.memory ? std::optional(static_cast<double>(resources.memory->available)) : std::nullopt;
        case Metric::process_rss:
            return as_double(resources.process_rss);
        case Metric::disk_free:
            for (const Disk& disk : resources.disks)
                if (disk.has_data_directory) return static_cast<double>(disk.free);
            return std::nullopt;
        case Metric::network_received:
            return resources.network ? resources.network->received_per_second : std::nullopt;
        case Metric::network_sent:
            return resources.network ? resources.network->sent_per_second : std::nullopt;
        case Metric::gpu_usage_percent:
            return over_gpus(resources, &hardware::Gpu::usage_percent, true);
        case Metric::gpu_memory_used:
            return over_gpus(resources, &hardware::Gpu::memory_used, false);
    }
    return std::nullopt;
}

}  // namespace llmm::system
