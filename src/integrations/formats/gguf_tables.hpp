#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace llmm::formats {

// How ggml lays out one kind of tensor element: `block_elements` values take `block_bytes`.
struct TensorType {
    std::uint32_t id;
    std::string_view name;
    std::uint32_t block_elements;
    std::uint32_t block_bytes;
};

// The first id that ggml had not given out when this table was made; higher ones are newer than this program.
inline constexpr std::uint32_t kFirstUnknownTensorType = 43;

// nullptr for an id that ggml has withdrawn or not given out yet.
const TensorType* tensor_type(std::uint32_t id);

// llama.cpp's name for a value of general.file_type ("Q4_K_M"); nullopt for an unknown one.
std::optional<std::string_view> quantization_name(std::uint64_t file_type);

}  // namespace llmm::formats
