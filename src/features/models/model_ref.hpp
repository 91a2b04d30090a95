#pragma once
#include "base/fs/safe_path.hpp"
#include "features/models/model.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::models {

// A reference as people paste it: "hf.co/org/name:Q4_K_M", "huggingface:org/name@revision:variant",
// "https://huggingface.co/org/name", "ollama:llama3.2:1b", "modelscope:org/name", "https://host/model.gguf#sha256=…",
// "local:/path", "demo:tiny-chat".
struct ModelRef {
    Source source = Source::huggingface;
    std::string repo;      // "org/name", "tiny-chat", "library/llama3.2:1b", an address, an absolute path
    std::string revision;  // empty: the hub's default; a digest where a source has no commits
    std::string variant;   // empty: chosen by the usual order

    // "huggingface:org/name@<revision>:<variant>", leaving out what is empty.
    std::string str() const;
    friend bool operator==(const ModelRef&, const ModelRef&) = default;
};

// Throws VALIDATION_FAILED naming the field "ref" and what is allowed.
ModelRef parse_model_ref(std::string_view text);

// Where a model's files are linked, below models/: <source>/<repo>/<revision>, without what a file name can't hold.
std::filesystem::path model_directory(const ModelRef& pinned);
// A file in it. UNSAFE_FILE.
SafePath link_path(const ModelRef& pinned, const std::string& file);

}  // namespace llmm::models
