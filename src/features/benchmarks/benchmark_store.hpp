#pragma once
#include "base/async/task.hpp"
#include "features/benchmarks/benchmark.hpp"
#include "storage/page.hpp"

#include <optional>
#include <string>

namespace llmm::storage {
class Database;
}

namespace llmm::benchmarks {

struct BenchmarkQuery {
    std::optional<DeploymentId> deployment_id = {};
    std::string sort = "-created_at";  // or created_at
    int limit = 50;
    std::string cursor = {};
};

// The table benchmarks.
class BenchmarkStore {
  public:
    explicit BenchmarkStore(storage::Database& database) : database_(database) {}

    Task<> insert(Benchmark benchmark);
    // Status, levels and error.
    Task<> update(Benchmark benchmark);
    Task<std::optional<Benchmark>> find(BenchmarkId id);
    Task<storage::Page<Benchmark>> list(BenchmarkQuery query);
    Task<bool> remove(BenchmarkId id);

  private:
    storage::Database& database_;
};

}  // namespace llmm::benchmarks
