#include "integrations/hardware/hardware.hpp"
#include "integrations/hardware/text_file.hpp"

#include <algorithm>
#include <sstream>

namespace llmm::hardware {
namespace {

// Version 1 says "no limit" with the largest multiple of a page; anything near it is none.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// How one version of control groups spells what we need.
struct Spelling {
    std::string_view limit, usage, reclaimable;
};
constexpr Spelling kVersion2{"memory.max", "memory.current", "inactive_file "};
constexpr Spelling kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};

std::optional<std::uint64_t> number_after(const std::string& text, std::string_view key) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) return parse_number<std::uint64_t>(std::string_view(line).substr(key.size()));
    }
    return std::nullopt;
}

void apply_group(const std::filesystem::path& group, const Spelling& spelling, Ram& ram) {
    const auto limit = read_number<std::uint64_t>(group / spelling.limit);  // "max" is no number: no limit
    if (!limit || *limit >= kNoLimit) return;
    if (*limit < ram.total) {
        ram.total = *limit;
        ram.limited = true;
    }
    const auto usage = read_number<std::uint64_t>(group / spelling.usage);
    if (!usage) return;
    const std::uint64_t cache =
        number_after(read_text(group / "memory.stat").value_or(""), spelling.reclaimable).value_or(0);
    const std::uint64_t held = *usage > cache ? *usage - cache : 0;
    ram.available = std::min(ram.available, *limit > held ? *limit - held : 0);
}

// A group is also bound by those above it. Inside a container the path may name what is not visible: then the mount's
// own root is the group.
void apply_groups(const std::filesystem::path& mount, const std::filesystem::path& path, const Spelling& spelling,
                  Ram& ram) {
    apply_group(mount, spelling, ram);
    std::filesystem::path group = mount;
    for (const auto& part : path.relative_path()) {
        if (part == "..") return;
        group /= part;
        apply_group(group, spelling, ram);
    }
}

}  // namespace

std::optional<Ram> read_ram(const KernelFiles& files) {
    const auto text = read_text(files.proc / "meminfo");
    if (!text) return std::nullopt;
    const auto total = kilobytes_after(*text, "MemTotal:");
    if (!total) return std::nullopt;
    // Kernels before 3.14 don't estimate what is available.
    const auto available = kilobytes_after(*text, "MemAvailable:");
    Ram ram{.total = *total, .available = available.value_or(kilobytes_after(*text, "MemFree:").value_or(0))};
    std::istringstream groups(read_text(files.proc / "self/cgroup").value_or(""));
    for (std::string line; std::getline(groups, line);) {
        const auto first = line.find(':'), second = line.find(':', first + 1);  // hierarchy:controllers:path
        if (first == line.npos || second == line.npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const std::string path = line.substr(second + 1);
        if (controllers == ",,") apply_groups(files.sys / "fs/cgroup", path, kVersion2, ram);
        if (controllers.contains(",memory,")) apply_groups(files.sys / "fs/cgroup/memory", path, kVersion1, ram);
    }
    ram.available = std::min(ram.available, ram.total);
    return ram;
}

}  // namespace llmm::hardware
