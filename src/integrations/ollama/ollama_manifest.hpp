#pragma once
#include "base/crypto/digest.hpp"
#include "integrations/hub.hpp"
#include "integrations/ollama/ollama_name.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The registry's JSON and headers. Nothing else knows their field names. What a download relies on (digests, sizes)
// must be right to the letter; HUB_BAD_RESPONSE says which field is not.
namespace llmm::hubs::ollama {

enum class LayerKind { model, projector, adapter, prompt_template, system, params, messages, license, other };

struct Layer {
    LayerKind kind = LayerKind::other;
    Sha256 digest;
    std::uint64_t size = 0;
};

struct Manifest {
    std::optional<Layer> config;
    std::vector<Layer> layers;  // those of a kind that is known; a digest may come more than once
    bool has_tensors = false;   // one blob a tensor: nothing that llama.cpp loads
};
Manifest parse_manifest(std::string_view body);

// What the config blob says about the model; what is missing or of another type is unknown.
struct ModelConfig {
    std::string format;  // "gguf"
    std::vector<std::string> families;
    std::string parameters;    // "3.2B"
    std::string quantization;  // "Q4_K_M"
    std::optional<std::int64_t> context_length;
};
ModelConfig parse_config(std::string_view body);

// False for families whose files in this registry differ from what stock llama.cpp reads (Ollama patches them when it
// loads them); nullopt when no family is known.
std::optional<bool> is_stock_compatible(const ModelConfig& config);

// The layers as files with names for people. Names come from the (checked) name and the kind alone, never from the
// manifest.
struct NamedLayer {
    std::string path;
    Layer layer;
};
std::vector<NamedLayer> name_layers(const Name& name, const Manifest& manifest, const ModelConfig& config);

// What the catalogue keeps of a model beside its weights: a JSON object of the texts of small layers.
std::string metadata_json(const ModelConfig& config, std::optional<bool> stock_compatible,
                          const std::map<std::string, std::string>& texts);

// `Bearer realm="…",service="…",scope="…"` of a WWW-Authenticate header.
struct Challenge {
    std::string realm, service, scope;
};
std::optional<Challenge> parse_challenge(std::string_view header);
// The token of a realm's answer; nullopt when there is none that could go into a header.
std::optional<std::string> parse_token(std::string_view body);

}  // namespace llmm::hubs::ollama
