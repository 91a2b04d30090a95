#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace llmm::engines::llama_server {

// What the engine says while it loads and tells nowhere else. Of a log with several starts, the last counts.
struct StartupLog {
    std::optional<std::int64_t> gpu_layers;  // offloaded, the output counts as one; a build without GPUs does not say
    std::optional<std::string> cache_type_k, cache_type_v;
    friend bool operator==(const StartupLog&, const StartupLog&) = default;
};
StartupLog read_startup_log(std::span<const std::string> lines);

}  // namespace llmm::engines::llama_server
