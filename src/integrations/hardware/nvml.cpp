#include "integrations/hardware/nvml.hpp"

#include <dlfcn.h>
#include <utility>

#include <fmt/format.h>

namespace llmm::hardware {
namespace {

// From NVIDIA's nvml.h: its types and constants, as far as they are used here.
using Device = void*;
constexpr int kSuccess = 0;
constexpr int kInsufficientSize = 7;
constexpr unsigned kTemperatureOfGpu = 0;
constexpr std::uint64_t kNotAvailable = ~std::uint64_t{0};  // NVML_VALUE_NOT_AVAILABLE
constexpr std::size_t kNameBytes = 96;                      // NVML_DEVICE_NAME_V2_BUFFER_SIZE, the longest of the texts
constexpr unsigned kMostDevices = 64;
constexpr unsigned kMostProcesses = 4096;

struct Memory {
    unsigned long long total, free, used;
};
struct Utilization {
    unsigned gpu, memory;
};
struct Process {
    unsigned pid;
    unsigned long long used_memory;
    unsigned gpu_instance, compute_instance;
};

std::optional<std::uint64_t> known(unsigned long long value) {
    return value == kNotAvailable ? std::nullopt : std::optional<std::uint64_t>(value);
}

std::string text_of(const char (&buffer)[kNameBytes]) {
    const std::string_view view(buffer, kNameBytes);
    return std::string(view.substr(0, view.find('\0')));
}

}  // namespace

struct Nvml::Library {
    explicit Library(void* opened) : handle(opened) {}
    ~Library() {
        if (initialised && shutdown) shutdown();
        ::dlclose(handle);
    }

    template <class Function>
    bool find(Function*& place, const char* symbol) {
        place = reinterpret_cast<Function*>(::dlsym(handle, symbol));
        return place != nullptr;
    }

    // What every driver of the last ten years has; false names the first that is missing.
    bool find_all(std::string& missing) {
        const auto need = [&](auto*& place, const char* symbol) {
            if (find(place, symbol)) return true;
            missing = symbol;
            return false;
        };
        // Optional: the readings stay unknown without them.
        find(driver_version, "nvmlSystemGetDriverVersion");
        find(utilization, "nvmlDeviceGetUtilizationRates");
        find(temperature, "nvmlDeviceGetTemperature");
        find(power, "nvmlDeviceGetPowerUsage");
        if (!find(compute_processes, "nvmlDeviceGetComputeRunningProcesses_v3"))
            find(compute_processes, "nvmlDeviceGetComputeRunningProcesses_v2");
        return need(initialise, "nvmlInit_v2") && need(shutdown, "nvmlShutdown") &&
               need(count, "nvmlDeviceGetCount_v2") && need(by_index, "nvmlDeviceGetHandleByIndex_v2") &&
               need(name, "nvmlDeviceGetName") && need(uuid, "nvmlDeviceGetUUID") &&
               need(memory, "nvmlDeviceGetMemoryInfo");
    }

    unsigned devices() const {
        unsigned found = 0;
        return count(&found) == kSuccess ? std::min(found, kMostDevices) : 0;
    }

    std::optional<std::string> uuid_of(Device device) const {
        char buffer[kNameBytes] = {};
        if (uuid(device, buffer, sizeof buffer) != kSuccess) return std::nullopt;
        return text_of(buffer);
    }

    void* handle;
    bool initialised = false;
    int (*initialise)() = nullptr;
    int (*shutdown)() = nullptr;
    int (*driver_version)(char*, unsigned) = nullptr;
    int (*count)(unsigned*) = nullptr;
    int (*by_index)(unsigned, Device*) = nullptr;
    int (*name)(Device, char*, unsigned) = nullptr;
    int (*uuid)(Device, char*, unsigned) = nullptr;
    int (*memory)(Device, Memory*) = nullptr;
    int (*utilization)(Device, Utilization*) = nullptr;
    int (*temperature)(Device, unsigned, unsigned*) = nullptr;
    int (*power)(Device, unsigned*) = nullptr;  // milliwatts
    int (*compute_processes)(Device, unsigned*, Process*) = nullptr;
};

Nvml::Nvml(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Nvml::~Nvml() = default;

std::unique_ptr<Nvml> Nvml::load(const std::string& library, std::string& why) {
    void* opened = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!opened) {
        why = fmt::format("{} is not there", library);
        return nullptr;
    }
    auto loaded = std::make_unique<Library>(opened);
    std::string missing;
    if (!loaded->find_all(missing)) {
        why = fmt::format("{} has no {}", library, missing);
        return nullptr;
    }
    if (const int status = loaded->initialise(); status != kSuccess) {
        why = fmt::format("nvmlInit answers {}", status);
        return nullptr;
    }
    loaded->initialised = true;
    return std::unique_ptr<Nvml>(new Nvml(std::move(loaded)));
}

std::vector<Gpu> Nvml::read() const {
    const Library& nvml = *library_;
    std::optional<std::string> driver;
    if (char buffer[kNameBytes] = {}; nvml.driver_version && nvml.driver_version(buffer, sizeof buffer) == kSuccess) {
        driver = text_of(buffer);
    }
    std::vector<Gpu> gpus;
    for (unsigned index = 0; index < nvml.devices(); ++index) {
        Device device = nullptr;
        if (nvml.by_index(index, &device) != kSuccess) continue;
        Gpu gpu{.vendor = GpuVendor::nvidia,
                .index = static_cast<int>(index),
                .uuid = nvml.uuid_of(device),
                .name = {},
                .driver = driver,
                .memory_total = {},
                .memory_used = {},
                .memory_free = {},
                .usage_percent = {},
                .temperature_celsius = {},
                .power_watts = {}};
        char name[kNameBytes] = {};
        gpu.name = nvml.name(device, name, sizeof name) == kSuccess ? text_of(name) : "NVIDIA GPU";
        if (Memory memory{}; nvml.memory(device, &memory) == kSuccess) {
            gpu.memory_total = known(memory.total);
            gpu.memory_free = known(memory.free);
            gpu.memory_used = known(memory.used);
        }
        if (Utilization use{}; nvml.utilization && nvml.utilization(device, &use) == kSuccess && use.gpu <= 100) {
            gpu.usage_percent = use.gpu;
        }
        unsigned value = 0;
        if (nvml.temperature && nvml.temperature(device, kTemperatureOfGpu, &value) == kSuccess) {
            gpu.temperature_celsius = value;
        }
        if (nvml.power && nvml.power(device, &value) == kSuccess) gpu.power_watts = value / 1000.0;
        gpus.push_back(std::move(gpu));
    }
    return gpus;
}

std::vector<Nvml::Use> Nvml::processes() const {
    const Library& nvml = *library_;
    std::vector<Use> uses;
    if (!nvml.compute_processes) return uses;
    for (unsigned index = 0; index < nvml.devices(); ++index) {
        Device device = nullptr;
        if (nvml.by_index(index, &device) != kSuccess) continue;
        const auto uuid = nvml.uuid_of(device);
        if (!uuid) continue;
        std::vector<Process> found(64);
        unsigned count = static_cast<unsigned>(found.size());
        int status = nvml.compute_processes(device, &count, found.data());
        if (status == kInsufficientSize) {
            // Others may start meanwhile: ask for twice as many.
            found.resize(std::min(count * 2, kMostProcesses));
            count = static_cast<unsigned>(found.size());
            status = nvml.compute_processes(device, &count, found.data());
        }
        if (status != kSuccess) continue;
        found.resize(std::min<std::size_t>(count, found.size()));
        for (const Process& process : found)
            uses.push_back({*uuid, static_cast<pid_t>(process.pid), known(process.used_memory)});
    }
    return uses;
}

}  // namespace llmm::hardware
