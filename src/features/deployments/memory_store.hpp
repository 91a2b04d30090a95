#pragma once
#include "base/async/task.hpp"
#include "base/ids/id.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace llmm::storage {
class Database;
}

namespace llmm::deployments {

// What was measured for one model with one engine, settings and device.
struct MemoryPeak {
    ModelId model;
    std::string engine, settings, device;
    std::int64_t resident = 0;        // bytes of RAM at most
    std::optional<std::int64_t> gpu;  // bytes of all its GPUs at most; not known for every engine
};

// The table memory_peaks.
class MemoryStore {
  public:
    explicit MemoryStore(storage::Database& database) : database_(database) {}

    Task<std::optional<MemoryPeak>> find(ModelId model, std::string engine, std::string settings, std::string device);
    // Keeps the larger of what is stored and what is new.
    Task<> keep(MemoryPeak peak);

  private:
    storage::Database& database_;
};

}  // namespace llmm::deployments
