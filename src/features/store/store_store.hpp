#pragma once
#include "base/async/task.hpp"
#include "features/models/model.hpp"
#include "features/store/store.hpp"
#include "storage/database.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace llmm::store {

struct BlobRow {
    Sha256 digest;
    std::int64_t size = 0;
};

class StoreStore {
  public:
    explicit StoreStore(storage::Database& database) : database_(database) {}

    // Row and task together. The same import asked for again while one is at work answers that one.
    Task<Import> start_import(ImportRequest request);
    Task<std::optional<Import>> find_import(ImportId id);
    Task<> save_result(ImportId id, ImportResult result);
    // The model and its files, ready; answers its id. A row that a broken download left is taken over.
    Task<ModelId> add_ready_model(ImportModel model, std::vector<models::ModelFile> files, models::ModelFacts facts);

    Task<StoreFacts> facts();
    // Every blob that a model refers to.
    Task<std::vector<BlobRow>> referenced_blobs();
    // Forgets a blob unless a model refers to it; false: one does.
    Task<bool> forget_blob(Sha256 digest);
    Task<std::set<std::string>> download_ids();
    Task<> set_verified(Sha256 digest);
    // Every model with this blob is broken now.
    Task<> mark_broken(Sha256 digest);

  private:
    storage::Database& database_;
};

}  // namespace llmm::store
