#pragma once
#include "features/models/model.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace llmm::models {

// A reference as people paste it: "hf.co/org/name:Q4_K_M", "huggingface:org/name@revision:variant",
// "https://huggingface.co/org/name", "demo:tiny-chat", …
struct ModelRef {
    Source source = Source::huggingface;
    std::string repo;      // "org/name", "tiny-chat"
    std::string revision;  // empty: the hub's default
    std::string variant;   // empty: chosen by the usual order

    // "huggingface:org/name@<revision>:<variant>", leaving out what is empty.
    std::string str() const;
    friend bool operator==(const ModelRef&, const ModelRef&) = default;
};

// Throws VALIDATION_FAILED naming the field "ref" and what is allowed; a source that this version can't fetch from is
// refused the same way.
ModelRef parse_model_ref(std::string_view text);

}  // namespace llmm::models
