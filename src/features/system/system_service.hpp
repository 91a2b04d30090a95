#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "features/system/system.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace llmm::system {

// Facts about this machine and this process, from /proc. Used from the event loop.
class SystemService {
  public:
    struct Deps {
        BlockingPool& files;
        std::function<Task<>()> ask_database;  // throws when it doesn't answer
        std::function<bool()> worker_runs;
    };
    SystemService(Deps deps, std::filesystem::path home, std::uint64_t keep_free);

    Task<Resources> resources();
    Task<std::vector<Check>> readiness();
    double uptime_seconds() const;
    std::string operating_system() const { return operating_system_; }

  private:
    std::optional<double> cpu_percent_since_last();

    Deps deps_;
    std::filesystem::path home_;
    std::uint64_t keep_free_;
    std::string operating_system_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::uint64_t last_busy_ = 0, last_total_ = 0;
};

// Memory that a model could get here: the least of the machine's and this process's cgroup limit. Blocks, shortly.
std::optional<std::uint64_t> usable_memory();

}  // namespace llmm::system
