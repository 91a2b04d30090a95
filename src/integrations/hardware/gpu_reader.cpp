#include "integrations/hardware/gpu_reader.hpp"

#include "base/log/log.hpp"
#include "integrations/hardware/text_file.hpp"

#include <algorithm>

namespace llmm::hardware {
namespace {

constexpr std::string_view kAmd = "0x1002";  // PCI vendor id

// "card0"; its outputs are "card0-HDMI-A-1".
std::optional<int> card_number(const std::string& name) {
    return name.starts_with("card") ? parse_number<int>(std::string_view(name).substr(4)) : std::nullopt;
}

// The first hwmon of a card; its number differs from machine to machine.
std::filesystem::path sensors_of(const std::filesystem::path& device) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(device / "hwmon", error), end; !error && entry != end;
         entry.increment(error))
        return entry->path();
    return {};
}

Gpu read_card(const std::filesystem::path& device, int index) {
    Gpu gpu{.vendor = GpuVendor::amd,
            .index = index,
            .uuid = read_text(device / "unique_id"),
            .name = read_text(device / "product_name").value_or(""),
            .driver = {},
            .memory_total = read_number<std::uint64_t>(device / "mem_info_vram_total"),
            .memory_used = read_number<std::uint64_t>(device / "mem_info_vram_used"),
            .memory_free = {},
            .usage_percent = {},
            .temperature_celsius = {},
            .power_watts = {}};
    if (gpu.uuid && gpu.uuid->empty()) gpu.uuid.reset();
    if (gpu.name.empty()) gpu.name = "AMD GPU " + read_text(device / "device").value_or("");
    if (gpu.memory_total && gpu.memory_used && *gpu.memory_used <= *gpu.memory_total)
        gpu.memory_free = *gpu.memory_total - *gpu.memory_used;
    if (const auto busy = read_number<unsigned>(device / "gpu_busy_percent"); busy && *busy <= 100)
        gpu.usage_percent = *busy;
    const auto sensors = sensors_of(device);
    if (const auto heat = read_number<std::int64_t>(sensors / "temp1_input"))
        gpu.temperature_celsius = static_cast<double>(*heat) / 1000;  // millidegrees
    if (const auto power = read_number<std::uint64_t>(sensors / "power1_average"))
        gpu.power_watts = static_cast<double>(*power) / 1e6;  // microwatts
    return gpu;
}

}  // namespace

std::vector<Gpu> read_amd_gpus(const KernelFiles& files) {
    std::vector<std::pair<int, std::filesystem::path>> cards;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(files.sys / "class/drm", error), end; !error && entry != end;
         entry.increment(error)) {
        const auto number = card_number(entry->path().filename().string());
        const auto device = entry->path() / "device";
        if (number && read_text(device / "vendor") == kAmd) cards.emplace_back(*number, device);
    }
    std::ranges::sort(cards);
    std::vector<Gpu> gpus;
    for (const auto& [number, device] : cards)
        gpus.push_back(read_card(device, static_cast<int>(gpus.size())));
    return gpus;
}

GpuReader::GpuReader(const std::string& nvml_library, KernelFiles files) : files_(std::move(files)) {
    std::string why;
    nvml_ = Nvml::load(nvml_library, why);
    if (!nvml_) log::info("no NVIDIA GPUs", {{"reason", why}});
}

std::vector<Gpu> GpuReader::read() const {
    std::vector<Gpu> gpus = nvml_ ? nvml_->read() : std::vector<Gpu>();
    std::ranges::move(read_amd_gpus(files_), std::back_inserter(gpus));
    return gpus;
}

std::map<std::string, std::uint64_t> GpuReader::memory_of(std::span<const pid_t> pids) const {
    std::map<std::string, std::uint64_t> sums;
    if (!nvml_) return sums;
    for (const Nvml::Use& use : nvml_->processes()) {
        if (use.memory && std::ranges::find(pids, use.pid) != pids.end()) sums[use.uuid] += *use.memory;
    }
    return sums;
}

}  // namespace llmm::hardware
