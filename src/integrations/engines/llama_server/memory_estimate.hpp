#pragma once
#include "integrations/engines/engine_options.hpp"
#include "integrations/engines/memory.hpp"
#include "integrations/formats/gguf.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace llmm::engines::llama_server {

// A model as the formula needs it: the headers of all its files taken together.
struct ModelShape {
    formats::GgufHeader description;  // of the first file; its own sums are not used
    formats::GgufTensorSums bytes;    // of all files
    bool has_unknown_tensors = false;
};
ModelShape shape_of(std::span<const formats::GgufHeader> files);

// The settings that memory depends on.
struct MemorySettings {
    std::int64_t context_size = 4096;  // of one slot
    std::int64_t parallel = 1;
    std::int64_t batch_size = 2048, ubatch_size = 512;
    std::string cache_type_k = "f16", cache_type_v = "f16";
    bool flash_attention = true;
    std::int64_t prompt_cache_mib = 0;
    // Layers on the GPU: 0 none; more than the model has (the output counts as one): all. Never -1.
    std::uint64_t gpu_layers = 0;
    // The same settings always make the same text.
    std::string key() const;
};
constexpr std::uint64_t kAllLayers = 1'000'000;
// `has_gpu`: whether the instance may use one; -1 layers then means all.
MemorySettings memory_settings(const OptionValues& options, bool has_gpu);

// Terms whose way of calculation is not understood for this model have no number: an architecture that is not in the
// list, windows of attention, layers that differ.
MemoryEstimate estimate_memory(const ModelShape& model, const MemorySettings& settings);

}  // namespace llmm::engines::llama_server
