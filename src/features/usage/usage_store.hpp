#pragma once
#include "base/async/task.hpp"
#include "features/usage/usage.hpp"

#include <memory>
#include <vector>

namespace llmm::storage {
class Database;
}

namespace llmm::usage {

// The table usage.
class UsageStore {
  public:
    explicit UsageStore(storage::Database& database) : database_(database) {}

    // All of them in one transaction. A row that is there already stays as it is.
    Task<> insert(std::shared_ptr<const std::vector<Usage>> rows);
    // The groups in their own order, at most kMaxGroups.
    Task<std::vector<UsageSum>> sum(UsageQuery query);
    static constexpr int kMaxGroups = 10'000;

  private:
    storage::Database& database_;
};

}  // namespace llmm::usage
