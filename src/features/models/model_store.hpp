#pragma once
#include "base/async/task.hpp"
#include "features/models/model.hpp"
#include "features/models/model_ref.hpp"
#include "storage/database.hpp"
#include "storage/page.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::models {

struct ModelQuery {
    std::string text;  // part of the name, the reference or a tag
    std::optional<Status> status;
    std::optional<Source> source;
    std::optional<Format> format;
    std::string sort = "-created_at";
    int limit = 50;
    std::string cursor;
};

// Rows of a download's own transaction.
// source_metadata: a JSON object of what the hub says beside the files.
Model insert_downloading(storage::Session& session, const ModelRef& pinned, const std::string& name,
                         const std::vector<std::string>& tags, const std::string& source_metadata = "{}");
std::optional<Model> find_by_ref(storage::Session& session, const std::string& canonical_ref);
void set_status(storage::Session& session, const ModelId& id, Status status);
// The files are published: the model is ready. Replaces the file rows.
void set_ready(storage::Session& session, const ModelId& id, const std::vector<ModelFile>& files,
               const ModelFacts& facts);
// Deletes a model that has no files, no deployments and no live download; a no-op otherwise.
void remove_if_unused(storage::Session& session, const ModelId& id);

class ModelStore {
  public:
    explicit ModelStore(storage::Database& database) : database_(database) {}

    Task<storage::Page<Model>> list(ModelQuery query);
    Task<std::optional<Model>> find(ModelId id);
    Task<std::optional<Model>> find_ready(ModelRef ref);
    // Answers false when there is no such model.
    Task<bool> update(ModelId id, std::optional<std::string> name, std::optional<std::string> description,
                      std::optional<std::vector<std::string>> tags);
    Task<std::vector<ModelFile>> files(ModelId id);  // all, by path
    Task<storage::Page<ModelFile>> file_page(ModelId id, int limit, std::string cursor);
    // Digests and sizes of the blobs that no model refers to any more; their rows are gone. MODEL_NOT_FOUND,
    // MODEL_IN_USE.
    Task<std::vector<std::pair<Sha256, std::int64_t>>> remove(ModelId id);
    // A model that is where its engine is; the row that there is already, for the same ref.
    Task<Model> add_external(std::string name, std::string ref);
    Task<> remove_external(ModelId id);  // when no deployment has it any more
    Task<> set_verified(Sha256 blob);
    Task<> mark(ModelId id, Status status);

  private:
    storage::Database& database_;
};

}  // namespace llmm::models
