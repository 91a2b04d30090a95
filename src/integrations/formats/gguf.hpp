#pragma once
#include "integrations/formats/byte_source.hpp"
#include "integrations/formats/problem.hpp"

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llmm::formats {

// Limits on what a header may claim. Where ggml or the specification (ggml/docs/gguf.md) has a limit of its
// own, it is named; the others are ours, far above any published model, and bound memory and time.
inline constexpr std::uint64_t kGgufMaxHeaderBytes = 100'000'000;  // the same as safetensors' own cap
inline constexpr std::uint64_t kGgufMaxPairs = 65'536;
inline constexpr std::uint64_t kGgufMaxTensors = 1'000'000;
inline constexpr std::uint64_t kGgufMaxKeyBytes = 1024;                 // the specification allows 65,535
inline constexpr std::uint64_t kGgufMaxStringBytes = 64 * 1024 * 1024;  // ggml: 1 GiB
inline constexpr std::uint64_t kGgufMaxKeptStringBytes = 1024 * 1024;   // a longer one is passed over, not stored
inline constexpr std::uint64_t kGgufMaxArrayElements = std::uint64_t{1} << 30;  // ggml's
inline constexpr std::uint64_t kGgufMaxTensorNameBytes = 63;                    // ggml: GGML_MAX_NAME - 1
inline constexpr std::uint32_t kGgufMaxDimensions = 4;                          // ggml: GGML_MAX_DIMS
inline constexpr std::uint32_t kGgufDefaultAlignment = 32;                      // specification
inline constexpr std::uint32_t kGgufMinAlignment = 8;                           // specification: a multiple of 8
inline constexpr std::uint32_t kGgufMaxAlignment = 1024 * 1024;

// The place of one file in a model that is split into several.
struct GgufSplit {
    std::uint64_t number = 0;  // from 0; only this one carries the model's description
    std::uint64_t count = 0;
    std::optional<std::uint64_t> total_tensors;
    friend bool operator==(const GgufSplit&, const GgufSplit&) = default;
};

// Bytes of the tensors in one file, by the part of the model that they belong to. Those of unknown types are missing.
struct GgufTensorSums {
    std::uint64_t all = 0;
    std::uint64_t token_embedding = 0;  // of all: "token_embd.weight"
    std::uint64_t output = 0;           // of all: "output.weight"; none when the model uses the embedding for it
    std::uint64_t blocks = 0;           // of all: "blk.*", the layers
    std::map<std::uint32_t, std::uint64_t> matrices;  // by type: two dimensions or more, without the embedding
    std::optional<std::uint32_t> token_embedding_type;
    friend bool operator==(const GgufTensorSums&, const GgufTensorSums&) = default;
};

// What a file says about itself. nullopt: it doesn't say. Nothing here has been compared with the tensor
// data.
struct GgufHeader {
    std::uint32_t version = 0;
    std::optional<std::string> architecture, name, type, license, chat_template;
    std::optional<std::string> quantization;  // llama.cpp's name of general.file_type

    std::optional<std::uint64_t> context_length, block_count, embedding_length, feed_forward_length;
    // Where a model differs from layer to layer, the largest.
    std::optional<std::uint64_t> head_count, head_count_kv;
    std::optional<std::uint64_t> key_length, value_length, sliding_window, expert_count, expert_used_count;
    std::optional<std::uint64_t> vocabulary_size, merge_count;
    bool varies_by_layer = false;  // head counts or lengths that differ from layer to layer
    std::optional<GgufSplit> split;

    GgufTensorSums tensor_bytes;
    std::uint64_t parameter_count = 0;  // of the tensors in this file
    std::uint64_t tensor_count = 0;
    std::uint32_t alignment = kGgufDefaultAlignment;
    std::uint64_t data_offset = 0;    // where tensor data begins
    std::uint64_t required_size = 0;  // the file ends no earlier
    // Ids newer than this program; with any of them required_size is only a lower bound.
    std::vector<std::uint32_t> unknown_tensor_types;
    friend bool operator==(const GgufHeader&, const GgufHeader&) = default;
};

// Reads the header of a GGUF file, version 2 or 3, from its beginning. Takes time and memory in proportion to
// the header only: arrays (a tokenizer's vocabulary) are passed over.
std::expected<GgufHeader, FormatProblem> read_gguf(const ByteSource& source);
// Of a file's first bytes: what they say about the model, in a file whose description comes before its vocabulary, as
// all writers put it. Tensors are only counted where the bytes reach that far. nullopt: they say too little, or
// nonsense.
std::optional<GgufHeader> read_gguf_beginning(const ByteSource& source);

}  // namespace llmm::formats
