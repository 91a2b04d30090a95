#pragma once
#include "integrations/formats/byte_source.hpp"
#include "integrations/formats/problem.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace llmm::formats {

inline constexpr std::uint64_t kSafetensorsMaxHeaderBytes =
    100'000'000;                                                    // the format's own: MAX_HEADER_SIZE of tensor.rs
inline constexpr std::uint64_t kSafetensorsMaxTensors = 1'000'000;  // ours, as for GGUF
inline constexpr std::size_t kSafetensorsMaxDepth = 8;              // ours; the format itself needs 3
inline constexpr std::size_t kSafetensorsMaxNameBytes = 1024;       // ours

// How much of a file is in one element type.
struct DtypeShare {
    std::string dtype;  // "BF16"
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    friend bool operator==(const DtypeShare&, const DtypeShare&) = default;
};

struct SafetensorsHeader {
    std::uint64_t tensor_count = 0;
    std::uint64_t parameter_count = 0;
    std::vector<DtypeShare> dtypes;   // the one with the most parameters first
    std::uint64_t data_offset = 0;    // where tensor data begins
    std::uint64_t required_size = 0;  // the file has exactly so many bytes
    friend bool operator==(const SafetensorsHeader&, const SafetensorsHeader&) = default;
};

// Reads the header of a .safetensors file from its beginning and checks that its tensors fill the file
// without a hole or an overlap.
std::expected<SafetensorsHeader, FormatProblem> read_safetensors(const ByteSource& source);

}  // namespace llmm::formats
