#include "features/system/system_service.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "integrations/hardware/text_file.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace llmm::system {
namespace {

struct CpuTime {
    std::uint64_t busy = 0, total = 0;
};
CpuTime read_cpu_time() {
    std::istringstream stat(hardware::read_text("/proc/stat").value_or(""));
    std::string name;
    stat >> name;
    std::uint64_t total = 0, idle = 0, value = 0;
    for (int column = 0; column < 8 && stat >> value; ++column) {
        total += value;
        if (column == 3 || column == 4) idle += value;  // idle and iowait
    }
    return {total - idle, total};
}

std::optional<std::uint64_t> count_entries(const std::filesystem::path& directory) {
    std::error_code error;
    std::uint64_t count = 0;
    for (std::filesystem::directory_iterator place(directory, error), end; !error && place != end;
         place.increment(error))
        ++count;
    return error ? std::nullopt : std::optional(count);
}

std::filesystem::path mount_point_of(std::filesystem::path path) {
    std::error_code error;
    path = std::filesystem::canonical(path, error);
    std::string best = "/";
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, place, rest; mounts >> device >> place && std::getline(mounts, rest);) {
        const bool above = path == place || path.string().starts_with(place == "/" ? "/" : place + "/");
        if (above && place.size() > best.size()) best = place;
    }
    return best;
}

std::string os_name() {
    std::istringstream release(hardware::read_text("/etc/os-release").value_or(""));
    for (std::string line; std::getline(release, line);) {
        constexpr std::string_view kKey = "PRETTY_NAME=\"";
        if (line.starts_with(kKey)) return line.substr(kKey.size(), line.size() - kKey.size() - 1);
    }
    return "Linux";
}

}  // namespace

SystemService::SystemService(Deps deps, std::filesystem::path home, std::uint64_t keep_free)
    : deps_(std::move(deps)),
      home_(std::move(home)),
      keep_free_(keep_free),
      operating_system_(os_name()),
      work_(deps_.executor) {}

void SystemService::start() {
    work_.spawn("resource readings", keep_readings());
}

Task<> SystemService::stop() {
    return work_.stop();
}

double SystemService::uptime_seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

Resources SystemService::read_blocking() const {
    Resources now;
    now.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    double load = 0;
    if (::getloadavg(&load, 1) == 1) now.load_1m = load;
    now.memory = hardware::read_ram();
    if (const auto own = hardware::read_process_memory(::getpid(), false)) now.process_rss = own->resident;
    now.open_files = count_entries("/proc/self/fd");
    now.threads = count_entries("/proc/self/task");
    const DiskSpace space = disk_space(home_);
    now.disks.push_back({mount_point_of(home_).string(), space.total_bytes, space.free_bytes, true});
    if (const auto traffic = hardware::read_traffic()) now.network = Network{*traffic, {}, {}};
    now.gpus = deps_.gpus.read();
    return now;
}

// The first reading of a meter has nothing to compare with: rates are unknown then.
Task<Resources> SystemService::read(Meter& meter) {
    Resources found = co_await deps_.files.run([this] { return read_blocking(); });
    const CpuTime cpu = read_cpu_time();
    const auto time = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(time - meter.time).count();
    if (meter.total != 0 && cpu.total > meter.total) {
        found.cpu_percent = std::min(
            100.0, 100.0 * static_cast<double>(cpu.busy - meter.busy) / static_cast<double>(cpu.total - meter.total));
    }
    if (found.network && meter.traffic && seconds > 0) {
        const auto rate = [seconds](std::uint64_t before, std::uint64_t after) {  // a counter may have begun anew
            return after < before ? std::nullopt : std::optional(static_cast<double>(after - before) / seconds);
        };
        found.network->received_per_second = rate(meter.traffic->received, found.network->total.received);
        found.network->sent_per_second = rate(meter.traffic->sent, found.network->total.sent);
    }
    meter = {.busy = cpu.busy,
             .total = cpu.total,
             .traffic = found.network ? std::optional(found.network->total) : std::nullopt,
             .time = time};
    co_return found;
}

Task<Resources> SystemService::resources() {
    const bool first = asked_.total == 0;
    Resources found = co_await read(asked_);
    if (first) found.cpu_percent = last_.cpu_percent;
    if (first && found.network && last_.network) {
        found.network->received_per_second = last_.network->received_per_second;
        found.network->sent_per_second = last_.network->sent_per_second;
    }
    co_return found;
}

Task<Resources> SystemService::latest() {
    if (sampled_.total == 0) co_return co_await resources();
    co_return last_;
}

Task<std::vector<hardware::Gpu>> SystemService::gpus() {
    co_return co_await deps_.files.run([this] { return deps_.gpus.read(); });
}

Task<> SystemService::keep_readings() {
    while (true) {
        try {
            last_ = co_await read(sampled_);
            history_.add(now(), last_);
        } catch (const Error& error) {
            log::debug("the machine's resources can't be read", {{"error", error.what()}});
        }
        co_await sleep_for(History::kInterval);
    }
}

std::vector<HistoryPoint> SystemService::history(Metric metric, std::chrono::minutes span) const {
    return history_.since(metric, now() - span);
}

Task<std::vector<Check>> SystemService::readiness() {
    std::vector<Check> checks;
    Check database{.name = "database", .ok = true, .reason = {}};
    try {
        co_await deps_.ask_database();
    } catch (const Error& error) {
        database = {"database", false, "the database does not answer"};
    }
    checks.push_back(std::move(database));
    const bool works = deps_.worker_runs();
    checks.push_back({"worker", works, works ? std::nullopt : std::optional<std::string>("the worker does not run")});
    Check disk{.name = "disk", .ok = true, .reason = {}};
    try {
        const DiskSpace space = co_await deps_.files.run([this] { return disk_space(home_); });
        if (space.free_bytes < keep_free_ / 4) disk = {"disk", false, "the disk of the data directory is nearly full"};
    } catch (const Error&) {
        disk = {"disk", false, "the data directory can't be read"};
    }
    checks.push_back(std::move(disk));
    co_return checks;
}

}  // namespace llmm::system
