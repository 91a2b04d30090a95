#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

// What this machine has and how much of it is in use. What it doesn't tell is nullopt, never 0. Everything here blocks,
// for milliseconds.
namespace llmm::hardware {

// Where the kernel tells; tests put folders of their own here.
struct KernelFiles {
    std::filesystem::path proc = "/proc";
    std::filesystem::path sys = "/sys";
};

enum class GpuVendor { nvidia, amd };
std::string_view name_of(GpuVendor vendor);

struct Gpu {
    GpuVendor vendor = GpuVendor::nvidia;
    int index = 0;                    // among those of its vendor, as its tools count
    std::optional<std::string> uuid;  // "GPU-…" of NVIDIA, the unique id of AMD
    std::string name;
    std::optional<std::string> driver;
    std::optional<std::uint64_t> memory_total, memory_used, memory_free;
    std::optional<double> usage_percent, temperature_celsius, power_watts;
};

struct Ram {
    std::uint64_t total = 0;
    std::uint64_t available = 0;  // without swapping; page cache that can be dropped counts as available
    bool limited = false;         // a control group allows less than the machine has
};
// The least of the machine and of every control group (version 2 or 1) that this process is in.
std::optional<Ram> read_ram(const KernelFiles& files = {});

struct Traffic {
    std::uint64_t received = 0, sent = 0;  // bytes since boot, all interfaces but loopback
};
std::optional<Traffic> read_traffic(const KernelFiles& files = {});

// Memory of one process, in bytes. Resident = anonymous + file + shared; the file part is page cache that the process
// has mapped (an engine's weights), which other processes may share.
struct ProcessMemory {
    std::optional<std::uint64_t> resident, anonymous, file, shared;
    std::optional<std::uint64_t> proportional;   // PSS: a page shared by n processes counts 1/n
    std::optional<std::uint64_t> peak_resident;  // since the process began
};
// nullopt when there is no such process. PSS walks the page tables: leave it out where that is not needed.
std::optional<ProcessMemory> read_process_memory(pid_t pid, bool with_proportional, const KernelFiles& files = {});

// "MemTotal:       24576 kB" → bytes
std::optional<std::uint64_t> kilobytes_after(std::string_view text, std::string_view key);

}  // namespace llmm::hardware
