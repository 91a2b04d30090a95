// A stand-in for libnvidia-ml.so.1 with the same C interface: two GPUs whose answers were written down, one that tells
// all and one that, like some virtualised ones, keeps most to itself. LLMM_FAKE_NVML_PID names a process that holds
// memory of the first; LLMM_FAKE_NVML_BROKEN makes nvmlInit fail.
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0, kUninitialized = 1, kInvalid = 2, kNotSupported = 3, kSmall = 7, kNoDriver = 9;
bool ready = false;
int handles[2] = {0, 1};

int number_of(void* device) {
    return *static_cast<int*>(device);
}

int answer(const char* text, char* buffer, unsigned size) {
    if (std::strlen(text) + 1 > size) return kSmall;
    std::strcpy(buffer, text);
    return kSuccess;
}

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

}  // namespace

extern "C" {

int nvmlInit_v2() {
    if (std::getenv("LLMM_FAKE_NVML_BROKEN")) return kNoDriver;
    ready = true;
    return kSuccess;
}
int nvmlShutdown() {
    ready = false;
    return kSuccess;
}
int nvmlSystemGetDriverVersion(char* buffer, unsigned size) {
    return answer("550.54.15", buffer, size);
}
int nvmlDeviceGetCount_v2(unsigned* count) {
    *count = 2;
    return ready ? kSuccess : kUninitialized;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
    if (index > 1) return kInvalid;
    *device = &handles[index];
    return kSuccess;
}
int nvmlDeviceGetName(void* device, char* buffer, unsigned size) {
    return answer(number_of(device) == 0 ? "NVIDIA H100 80GB HBM3" : "GRID A100X-20C", buffer, size);
}
int nvmlDeviceGetUUID(void* device, char* buffer, unsigned size) {
    return answer(number_of(device) == 0 ? "GPU-3f2504e0-4f89-11d3-9a0c-0305e82c3301"
                                         : "GPU-9b2d1f6a-0c6e-4a53-b7ad-5d1c7f6e2a10",
                  buffer, size);
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
    if (number_of(device) == 1) return kNotSupported;
    *memory = {85'520'809'984ull, 83'000'000'000ull, 2'520'809'984ull};
    return kSuccess;
}
int nvmlDeviceGetUtilizationRates(void* device, Utilization* use) {
    if (number_of(device) == 1) return kNotSupported;
    *use = {37, 12};
    return kSuccess;
}
int nvmlDeviceGetTemperature(void* device, unsigned sensor, unsigned* degrees) {
    if (sensor != 0 || number_of(device) == 1) return kNotSupported;
    *degrees = 41;
    return kSuccess;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
    if (number_of(device) == 1) return kNotSupported;
    *milliwatts = 118'250;
    return kSuccess;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, Process* processes) {
    if (number_of(device) == 1) return kNotSupported;
    constexpr unsigned kCount = 100;  // more than a caller guesses first
    const unsigned room = *count;
    *count = kCount;
    if (room < kCount) return kSmall;
    const char* pid = std::getenv("LLMM_FAKE_NVML_PID");
    for (unsigned i = 0; i < kCount; ++i)
        processes[i] = {1'000'000'000 + i, 1ull << 20, ~0u, ~0u};
    processes[1].used_memory = ~0ull;  // "not available"
    if (pid) processes[99] = {static_cast<unsigned>(std::atoi(pid)), 2'000'000'000ull, ~0u, ~0u};
    return kSuccess;
}

}  // extern "C"
