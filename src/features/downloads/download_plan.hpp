#pragma once
#include "features/downloads/download.hpp"
#include "features/models/hub_service.hpp"

#include <string>
#include <vector>

namespace llmm::downloads {

// Chooses the files of a download: those of the variant, or those that match a glob ("*" and "?", "*" crosses "/").
// EMPTY_REPOSITORY, UNSUPPORTED_FORMAT (nothing that an engine loads), UNSAFE_FILE (a name that could leave its folder
// or runs code when loaded, names that differ only by case), HUB_BAD_RESPONSE (absurd sizes), VALIDATION_FAILED (no
// match).
Plan make_plan(const models::RemoteModel& model, const std::vector<std::string>& globs);

bool matches_glob(std::string_view glob, std::string_view path);

}  // namespace llmm::downloads
