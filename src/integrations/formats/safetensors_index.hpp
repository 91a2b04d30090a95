#pragma once
#include "base/fs/safe_path.hpp"
#include "integrations/formats/problem.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

namespace llmm::formats {

inline constexpr std::size_t kSafetensorsMaxIndexBytes = 100'000'000;  // ours, as for a header

// "model.safetensors.index.json": which files a model in parts consists of.
struct SafetensorsIndex {
    std::vector<SafePath> files;  // sorted, each once
    std::uint64_t tensor_count = 0;
    std::optional<std::uint64_t> total_size;  // of the tensors, as the index claims
};

std::expected<SafetensorsIndex, FormatProblem> read_safetensors_index(std::string_view text);

}  // namespace llmm::formats
