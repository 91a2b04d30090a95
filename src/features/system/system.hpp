#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace llmm::system {

struct Disk {
    std::string mount_point;
    std::uint64_t total = 0, free = 0;
    bool has_data_directory = false;
};

struct Resources {
    int cores = 1;
    std::optional<double> cpu_percent, load_1m;
    std::uint64_t memory_total = 0, memory_available = 0;
    std::optional<std::uint64_t> process_rss, open_files, threads;
    std::vector<Disk> disks;
};

struct Check {
    std::string name;
    bool ok = true;
    std::optional<std::string> reason;
};

}  // namespace llmm::system
