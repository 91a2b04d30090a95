#pragma once
#include "base/fs/local_roots.hpp"
#include "features/models/hub_service.hpp"
#include "features/store/store.hpp"

#include <filesystem>
#include <vector>

// What there is to take over in another program's folder. Blocking, but for the last; whatever is incomplete or strange
// is left out: it is no model that the other program could use either.
namespace llmm::store {

// HuggingFace's cache: every variant of every snapshot.
std::vector<ImportModel> plan_hf_cache(const LocalRoots& roots, const std::filesystem::path& folder);
// Ollama's store: every manifest.
std::vector<ImportModel> plan_ollama(const LocalRoots& roots, const std::filesystem::path& folder);
// A file or folder that was looked up as local:<path>. The last step before its files are taken, so `is_folder` is
// known.
ImportModel plan_path(const models::RemoteModel& remote, bool is_folder);

}  // namespace llmm::store
