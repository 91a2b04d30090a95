#pragma once
#include "base/text/parse_number.hpp"

#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::hardware {

// A small file of the kernel without its last newline; nullopt when it can't be read.
std::optional<std::string> read_text(const std::filesystem::path& path);

template <class Number>
std::optional<Number> read_number(const std::filesystem::path& path) {
    const auto text = read_text(path);
    return text ? parse_number<Number>(*text) : std::nullopt;
}

}  // namespace llmm::hardware
