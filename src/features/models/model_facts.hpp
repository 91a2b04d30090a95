#pragma once
#include "features/models/model.hpp"

#include <filesystem>
#include <string>

namespace llmm::models {

// What a complete model file's header says. UNSUPPORTED_FORMAT or UNSAFE_FILE when the header breaks its format's
// rules; no facts for files of other kinds. Blocks.
ModelFacts read_model_facts(const std::filesystem::path& file, const std::string& name);

}  // namespace llmm::models
