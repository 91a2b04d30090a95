#pragma once
#include "base/async/task.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmm::storage {
class Database;
}

namespace llmm::gateway {

// The table model_aliases: further names of deployments and models.
class AliasStore {
  public:
    explicit AliasStore(storage::Database& database) : database_(database) {}

    Task<std::optional<std::string>> find(std::string alias);
    Task<> set(std::string alias, std::string target);
    Task<bool> remove(std::string alias);
    // (alias, target), by alias.
    Task<std::vector<std::pair<std::string, std::string>>> all();

  private:
    storage::Database& database_;
};

}  // namespace llmm::gateway
