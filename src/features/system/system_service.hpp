#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "features/system/system.hpp"
#include "features/system/system_history.hpp"
#include "integrations/hardware/gpu_reader.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace llmm::system {

// Facts about this machine and this process. Used from the event loop.
class SystemService {
  public:
    struct Deps {
        asio::any_io_executor executor;
        BlockingPool& files;
        const hardware::GpuReader& gpus;
        std::function<Task<>()> ask_database;  // throws when it doesn't answer
        std::function<bool()> worker_runs;
        std::function<Task<std::vector<EngineUse>>()> engines;
    };
    SystemService(Deps deps, std::filesystem::path home, std::uint64_t keep_free);

    void start();  // begins to keep readings
    Task<> stop();

    Task<Resources> resources();
    Task<Resources> latest();  // the last reading that was kept; a new one when there is none
    Task<std::vector<EngineUse>> engines() { return deps_.engines(); }
    Task<std::vector<hardware::Gpu>> gpus();
    std::vector<HistoryPoint> history(Metric metric, std::chrono::minutes span) const;
    Task<std::vector<Check>> readiness();
    double uptime_seconds() const;
    std::string operating_system() const { return operating_system_; }

  private:
    // What rates are differences to: each observer has its own, so that one does not shorten another's interval.
    struct Meter {
        std::uint64_t busy = 0, total = 0;
        std::optional<hardware::Traffic> traffic;
        std::chrono::steady_clock::time_point time;
    };
    Task<Resources> read(Meter& meter);
    Task<> keep_readings();
    Resources read_blocking() const;

    Deps deps_;
    std::filesystem::path home_;
    std::uint64_t keep_free_;
    std::string operating_system_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    Meter asked_, sampled_;
    Resources last_;
    History history_;
    TaskGroup work_;
};

}  // namespace llmm::system
