#include "features/system/system_service.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace llmm::system {
namespace {

std::string read_small(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

// "MemTotal:       24576 kB" → bytes
std::optional<std::uint64_t> kilobytes_after(const std::string& text, std::string_view key) {
    const auto place = text.find(key);
    if (place == std::string::npos) return std::nullopt;
    std::istringstream rest(text.substr(place + key.size()));
    std::uint64_t value = 0;
    if (!(rest >> value)) return std::nullopt;
    return value * 1024;
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
    std::istringstream release(read_small("/etc/os-release"));
    for (std::string line; std::getline(release, line);) {
        constexpr std::string_view kKey = "PRETTY_NAME=\"";
        if (line.starts_with(kKey)) return line.substr(kKey.size(), line.size() - kKey.size() - 1);
    }
    return "Linux";
}

}  // namespace

std::optional<std::uint64_t> usable_memory() {
    auto memory = kilobytes_after(read_small("/proc/meminfo"), "MemTotal:");
    const std::string limit = read_small("/sys/fs/cgroup/memory.max");
    std::uint64_t value = 0;
    if (std::from_chars(limit.data(), limit.data() + limit.size(), value).ec == std::errc{} && memory) {
        memory = std::min(*memory, value);
    }
    return memory;
}

SystemService::SystemService(Deps deps, std::filesystem::path home, std::uint64_t keep_free)
    : deps_(std::move(deps)), home_(std::move(home)), keep_free_(keep_free), operating_system_(os_name()) {}

double SystemService::uptime_seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

// The first call has nothing to compare with and answers nullopt.
std::optional<double> SystemService::cpu_percent_since_last() {
    std::istringstream stat(read_small("/proc/stat"));
    std::string name;
    stat >> name;
    std::uint64_t total = 0, idle = 0, value = 0;
    for (int column = 0; column < 8 && stat >> value; ++column) {
        total += value;
        if (column == 3 || column == 4) idle += value;  // idle and iowait
    }
    const std::uint64_t busy = total - idle;
    const std::uint64_t passed = total - last_total_, used = busy - last_busy_;
    const bool first = last_total_ == 0;
    last_total_ = total;
    last_busy_ = busy;
    if (first || passed == 0) return std::nullopt;
    return std::min(100.0, 100.0 * static_cast<double>(used) / static_cast<double>(passed));
}

Task<Resources> SystemService::resources() {
    Resources found = co_await deps_.files.run([this] {
        Resources now;
        now.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
        double load = 0;
        if (::getloadavg(&load, 1) == 1) now.load_1m = load;
        const std::string memory = read_small("/proc/meminfo");
        now.memory_total = kilobytes_after(memory, "MemTotal:").value_or(0);
        now.memory_available = kilobytes_after(memory, "MemAvailable:").value_or(0);
        const std::string status = read_small("/proc/self/status");
        now.process_rss = kilobytes_after(status, "VmRSS:");
        now.open_files = count_entries("/proc/self/fd");
        now.threads = count_entries("/proc/self/task");
        const DiskSpace space = disk_space(home_);
        now.disks.push_back({mount_point_of(home_).string(), space.total_bytes, space.free_bytes, true});
        return now;
    });
    found.cpu_percent = cpu_percent_since_last();
    co_return found;
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
