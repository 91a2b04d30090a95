#include "integrations/hardware/hardware.hpp"

#include "integrations/hardware/text_file.hpp"

#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

namespace llmm::hardware {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;  // of a file of the kernel

}  // namespace

std::string_view name_of(GpuVendor vendor) {
    switch (vendor) {
        case GpuVendor::nvidia:
            return "nvidia";
        case GpuVendor::amd:
            return "amd";
    }
    return "";
}

std::optional<std::string> read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text;
    char buffer[4096];
    while (text.size() < kMostBytes && (file.read(buffer, sizeof buffer) || file.gcount() > 0))
        text.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (file.bad()) return std::nullopt;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    return text;
}

std::optional<std::uint64_t> kilobytes_after(std::string_view text, std::string_view key) {
    for (std::size_t place = 0; (place = text.find(key, place)) != text.npos; place += key.size()) {
        if (place != 0 && text[place - 1] != '\n') continue;
        std::string_view rest = text.substr(place + key.size());
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
        return parse_number<std::uint64_t>(rest.substr(0, rest.find_first_not_of("0123456789")))
            .transform([](std::uint64_t kilobytes) { return kilobytes * 1024; });
    }
    return std::nullopt;
}

std::optional<Traffic> read_traffic(const KernelFiles& files) {
    const auto text = read_text(files.proc / "net/dev");
    if (!text) return std::nullopt;
    Traffic sum;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');  // the two lines of headings have none
        if (colon == line.npos) continue;
        const auto start = line.find_first_not_of(' ');
        if (line.substr(start, colon - start) == "lo") continue;
        std::istringstream columns(line.substr(colon + 1));
        std::uint64_t column[9] = {};
        for (std::uint64_t& value : column)
            columns >> value;
        if (!columns) continue;
        sum.received += column[0];
        sum.sent += column[8];
    }
    return sum;
}

std::optional<ProcessMemory> read_process_memory(pid_t pid, bool with_proportional, const KernelFiles& files) {
    const auto folder = files.proc / std::to_string(pid);
    const auto status = read_text(folder / "status");
    if (!status) return std::nullopt;
    ProcessMemory memory{.resident = kilobytes_after(*status, "VmRSS:"),
                         .anonymous = kilobytes_after(*status, "RssAnon:"),
                         .file = kilobytes_after(*status, "RssFile:"),
                         .shared = kilobytes_after(*status, "RssShmem:"),
                         .proportional = {},
                         .peak_resident = kilobytes_after(*status, "VmHWM:")};
    if (with_proportional) {
        const auto sums = read_text(folder / "smaps_rollup");
        if (sums) memory.proportional = kilobytes_after(*sums, "Pss:");
    }
    return memory;
}

}  // namespace llmm::hardware
