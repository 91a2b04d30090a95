#include "integrations/engines/llama_server/startup_log.hpp"

#include <algorithm>
#include <charconv>

namespace llmm::engines::llama_server {
namespace {

// "load_tensors: offloaded 17/33 layers to GPU"
std::optional<std::int64_t> offloaded(std::string_view line) {
    constexpr std::string_view kBefore = "offloaded ";
    const auto place = line.find(kBefore);
    if (place == line.npos || !line.contains(" layers to GPU")) return std::nullopt;
    const std::string_view rest = line.substr(place + kBefore.size());
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc{} || end == rest.data() + rest.size() || *end != '/' || value < 0) return std::nullopt;
    return value;
}

// "llama_kv_cache: size =  256.00 MiB (…), K (f16):  128.00 MiB, V (q8_0):  128.00 MiB": the word in brackets.
std::optional<std::string> cache_type(std::string_view line, std::string_view before) {
    const auto place = line.find(before);
    if (place == line.npos) return std::nullopt;
    const std::string_view rest = line.substr(place + before.size());
    const auto end = rest.find(')');
    constexpr std::size_t kLongest = 16;
    if (end == rest.npos || end == 0 || end > kLongest) return std::nullopt;
    const std::string_view word = rest.substr(0, end);
    const bool plain =
        std::ranges::all_of(word, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
    return plain ? std::optional(std::string(word)) : std::nullopt;
}

}  // namespace

StartupLog read_startup_log(std::span<const std::string> lines) {
    StartupLog found;
    for (const std::string& line : lines) {
        if (const auto layers = offloaded(line)) found.gpu_layers = layers;
        if (!line.contains("llama_kv_cache: size")) continue;
        found.cache_type_k = cache_type(line, ", K (");
        found.cache_type_v = cache_type(line, ", V (");
    }
    return found;
}

}  // namespace llmm::engines::llama_server
