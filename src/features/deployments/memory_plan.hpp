#pragma once
#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "integrations/engines/memory.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The words and the arithmetic of "does it fit". No I/O.
namespace llmm::deployments {

inline constexpr std::string_view kRam = "cpu";  // the device that is no GPU; GPUs go by their UUID

// By device.
using Bytes = std::map<std::string, std::uint64_t>;

struct DeviceMemory {
    std::string device;
    std::string name;                            // "NVIDIA H100 80GB HBM3"; "RAM"
    std::optional<std::uint64_t> total, free;    // now, as the machine says
    std::optional<std::uint64_t> unspoken = {};  // of free: what nobody else has reserved without having taken it yet
};

// An instance that runs or is starting, and what it was let in with.
struct Reservation {
    InstanceId instance;
    DeploymentId deployment;
    std::string name;  // of the deployment
    Bytes bytes;
    Bytes taken;  // of bytes, already used and so not free any more
    // Whether it may be ended for another: nobody waits for its answer, it agreed to be unloaded, and is not pinned.
    bool may_go = false;
    std::chrono::milliseconds idle{}, load{};  // since the last request; what it took to get ready
};

struct Eviction {
    DeploymentId deployment;
    std::string name;
    Bytes bytes;
    double score = 0;  // idle time ÷ load time: the higher, the sooner it goes
};

struct Shortage {
    std::string device;
    std::uint64_t needed = 0, free = 0;
    std::uint64_t missing() const { return needed > free ? needed - free : 0; }
};

// Something that would make it fit.
struct WayOut {
    std::string_view kind;    // "context_size", "quantization", "stop"
    std::string value;        // 2048, the model's ref, the deployment's name
    std::uint64_t bytes = 0;  // what would be needed then; of "stop", what would get free
    Text text;
};

struct MemoryPlan {
    std::vector<std::string> devices;  // where it would run: "cpu", or GPUs
    engines::MemoryEstimate estimate;
    std::optional<std::uint64_t> measured;  // resident at most in earlier runs with the same settings
    Bytes needs;                            // from the measured peak, else the estimate
    bool known = false;                     // else needs are only the part that is known
    std::vector<DeviceMemory> memory;
    std::vector<Shortage> shortages;  // empty: it fits, as far as is known
    std::vector<Eviction> evictions;  // these would have to go, and it would fit
    std::vector<WayOut> ways_out;
    bool fits() const { return shortages.empty(); }
};

// What of the memory that is free now stays for somebody new.
std::uint64_t unspoken_memory(std::uint64_t free_now, std::string_view device, std::span<const Reservation> others);
std::vector<Shortage> shortages(const Bytes& needs, std::span<const DeviceMemory> memory, std::uint64_t keep_free);
// Those that end for it, the longest idle for their load time first, and no more than needed; empty when all of them
// would not do.
std::vector<Eviction> choose_evictions(std::span<const Shortage> missing, std::span<const Reservation> others);

// INSUFFICIENT_MEMORY with the sum, what is free, and the ways out.
Error insufficient_memory(const std::string& name, const MemoryPlan& plan);

}  // namespace llmm::deployments
