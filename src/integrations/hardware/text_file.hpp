#pragma once
#include <charconv>
#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::hardware {

// A small file of the kernel without its last newline; nullopt when it can't be read.
std::optional<std::string> read_text(const std::filesystem::path& path);

template <class Number>
std::optional<Number> to_number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

template <class Number>
std::optional<Number> read_number(const std::filesystem::path& path) {
    const auto text = read_text(path);
    return text ? to_number<Number>(*text) : std::nullopt;
}

}  // namespace llmm::hardware
