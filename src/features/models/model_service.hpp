#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/fs/safe_path.hpp"
#include "features/models/model.hpp"
#include "features/models/model_ref.hpp"
#include "features/models/model_store.hpp"
#include "integrations/formats/gguf.hpp"
#include "storage/blob_store.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace llmm::models {

struct ModelChanges {
    std::optional<std::string> name, description;
    std::optional<std::vector<std::string>> tags;
};

// Rules of the local catalogue. Used from the event loop.
class ModelService {
  public:
    struct Deps {
        ModelStore& store;
        storage::BlobStore& blobs;
        BlockingPool& files;
    };
    explicit ModelService(Deps deps) : deps_(deps) {}

    Task<storage::Page<Model>> list(ModelQuery query);
    Task<Model> get(ModelId id);  // MODEL_NOT_FOUND
    // The newest ready model that a reference means (its revision and variant only when given).
    Task<std::optional<Model>> find_ready(ModelRef ref);
    Task<Model> update(ModelId id, ModelChanges changes);
    Task<Model> add_external(std::string name, std::string ref);
    Task<> remove_external(ModelId id);
    // Frees the blobs that no other model uses; answers the bytes freed. MODEL_NOT_FOUND, MODEL_IN_USE (deployed or
    // being downloaded).
    Task<std::int64_t> remove(ModelId id);
    Task<std::vector<ModelFile>> files(ModelId id);  // all, by path
    Task<storage::Page<ModelFile>> file_page(ModelId id, int limit, std::string cursor);
    // What an engine opens: the GGUF (of a split set the first part) or the folder of safetensors, below models/.
    // MODEL_NOT_READY.
    Task<std::filesystem::path> engine_path(ModelId id);
    // What the model's GGUF files say about themselves, in their order. Empty: it has none, or one can't be read.
    Task<std::vector<formats::GgufHeader>> gguf_headers(ModelId id);
    // Other ready models of the same repository, the largest first.
    Task<std::vector<Model>> siblings(ModelId id);
    // Hashes every blob of the model again; sets it broken when one differs (DIGEST_MISMATCH). `report` gets 0..1 on
    // the event loop.
    Task<> verify(ModelId id, std::function<void(double)> report);
    // Ends hashing soon.
    void stop() { stopping_ = true; }

  private:
    Deps deps_;
    std::atomic<bool> stopping_ = false;
};

}  // namespace llmm::models
