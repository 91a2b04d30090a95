#pragma once
#include "base/async/task.hpp"
#include "storage/database.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmm::app {

// Numbers for monitoring that the database knows best.
class MetricsStore {
  public:
    explicit MetricsStore(storage::Database& database) : database_(database) {}

    struct Count {
        std::string what, state;  // "downloads", "paused"
        std::int64_t rows = 0;
    };
    Task<std::vector<Count>> counts();
    Task<std::int64_t> download_speed();  // bytes/s of all together

  private:
    storage::Database& database_;
};

}  // namespace llmm::app
