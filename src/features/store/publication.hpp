#pragma once
#include "base/fs/safe_path.hpp"
#include "features/models/model.hpp"
#include "features/store/store.hpp"
#include "storage/blob_store.hpp"

#include <string>
#include <utility>
#include <vector>

// Models of the store as another program lays out its own: each blob as a second name of ours (a link to it on another
// file system). Blocking. The last thing written is what the other program looks for first, so that it never finds half
// a model.
namespace llmm::store {

struct Published {
    std::string name;  // as the other program calls the model
    std::int64_t hard_links = 0, symbolic_links = 0;
};

// Below a folder of HuggingFace's cache. UNSUPPORTED_FORMAT for models of other hubs: the layout names repositories and
// commits of that hub.
Published publish_hf_cache(const storage::BlobStore& blobs, const GuardedDirectory& folder, const models::Model& model,
                           const std::vector<models::ModelFile>& files);
// Below a folder of Ollama's models. UNSUPPORTED_FORMAT for what is not one GGUF file. `texts`: other layers, by type.
Published publish_ollama(const storage::BlobStore& blobs, const GuardedDirectory& folder, const models::Model& model,
                         const std::vector<models::ModelFile>& files,
                         const std::vector<std::pair<std::string, std::string>>& texts);

}  // namespace llmm::store
