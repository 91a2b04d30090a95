#pragma once
#include "base/crypto/digest.hpp"
#include "base/ids/id.hpp"
#include "base/time/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::models {

enum class Source { huggingface, ollama, modelscope, local, url, demo, external };
enum class Status { remote, downloading, ready, broken };
enum class Format { gguf, safetensors };

std::string_view name_of(Source source);
std::string_view name_of(Status status);
std::string_view name_of(Format format);
std::optional<Source> parse_source(std::string_view text);
std::optional<Status> parse_status(std::string_view text);
std::optional<Format> parse_format(std::string_view text);

// A model of the local catalogue. What nobody knows is nullopt.
struct Model {
    ModelId id;
    std::string ref;  // canonical, unique: "huggingface:org/name@<commit>:Q4_K_M"
    std::string name;
    std::string description;
    Source source = Source::local;
    std::string model_type;
    std::int64_t size_bytes = 0;
    std::optional<std::int64_t> parameters;
    std::vector<std::string> tags;
    Status status = Status::downloading;
    std::optional<Format> format;
    std::optional<std::string> quantization, architecture;
    std::optional<std::int64_t> context_length;
    std::optional<std::string> license;
    std::string metadata = "{}";           // JSON: what the file says about itself
    std::optional<bool> stock_compatible;  // whether stock llama.cpp can load it, where its source has ways of its own
    std::int64_t file_count = 0;
    std::optional<TimePoint> verified_at;  // when the file checked longest ago was checked
    TimePoint created_at{}, updated_at{};
};

struct ModelFile {
    ModelId model_id;
    std::string path;  // relative, a SafePath
    std::int64_t size = 0;
    Sha256 sha256;
    std::optional<TimePoint> verified_at;
};

// What is read from a model's own header once its files are here.
struct ModelFacts {
    std::optional<Format> format;
    std::optional<std::int64_t> parameters;
    std::optional<std::string> quantization, architecture;
    std::optional<std::int64_t> context_length;
    std::optional<std::string> license;
    std::string metadata = "{}";
};

}  // namespace llmm::models
