#pragma once
#include "base/time/time.hpp"
#include "integrations/hardware/hardware.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::system {

struct Disk {
    std::string mount_point;
    std::uint64_t total = 0, free = 0;
    bool has_data_directory = false;
};

struct Network {
    hardware::Traffic total;
    std::optional<double> received_per_second, sent_per_second;  // bytes
};

// One running engine, told by the feature that runs them.
struct EngineUse {
    std::string deployment_id, deployment, engine, instance_id;
    std::optional<std::int64_t> pid;
    std::optional<std::uint64_t> memory;  // resident, with its helpers
    std::optional<std::uint64_t> gpu_memory;
};

struct Resources {
    int cores = 1;
    std::optional<double> cpu_percent, load_1m;
    std::optional<hardware::Ram> memory;
    std::optional<std::uint64_t> process_rss, open_files, threads;
    std::vector<Disk> disks;
    std::optional<Network> network;
    std::vector<hardware::Gpu> gpus;
};

// What is kept over time. GPUs are taken together: mean use, sum of memory.
enum class Metric {
    cpu_percent,
    load_1m,
    memory_used,
    memory_available,
    process_rss,
    disk_free,
    network_received,
    network_sent,
    gpu_usage_percent,
    gpu_memory_used,
};
inline constexpr std::size_t kMetricCount = 10;
std::string_view name_of(Metric metric);
std::string_view unit_of(Metric metric);  // "percent", "processes", "bytes", "bytes/s"
std::optional<Metric> parse_metric(std::string_view text);
std::optional<double> value_of(const Resources& resources, Metric metric);

struct Check {
    std::string name;
    bool ok = true;
    std::optional<std::string> reason;
};

}  // namespace llmm::system
