#pragma once
#include "base/config/config.hpp"
#include "base/secret/secret.hpp"

namespace llmm::hubs::huggingface {

// The token that HuggingFace's own tools keep for the user: in the file HF_TOKEN_PATH, by default token in HF_HOME,
// which is huggingface in XDG_CACHE_HOME or ~/.cache. Empty when there is none, or HF_HUB_DISABLE_IMPLICIT_TOKEN
// forbids to use it unasked. Blocks; the file is small.
SecretString token_of_user(const Environment& environment);

}  // namespace llmm::hubs::huggingface
