#include "integrations/ollama/ollama_manifest.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "integrations/hub_json.hpp"

#include <algorithm>
#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::hubs::ollama {
namespace {

constexpr std::size_t kMaxLayers = 10'000;
constexpr std::size_t kMaxToken = 8192;
constexpr std::string_view kTypePrefix = "application/vnd.ollama.image.";

// Read in Ollama's own source (llama/compat): families that it rewrites in memory before llama.cpp sees them.
constexpr std::string_view kPatchedFamilies[] = {"gemma3",     "gemma3n",
                                                 "gemma4",     "embeddinggemma",
                                                 "gptoss",     "gpt-oss",
                                                 "lfm2",       "olmo3",
                                                 "mistral3",   "qwen35",
                                                 "qwen35moe",  "qwen3next",
                                                 "qwen25vl",   "qwen3vl",
                                                 "qwen3vlmoe", "deepseekocr",
                                                 "glmocr",     "glm4moelite",
                                                 "laguna",     "llama4",
                                                 "mllama",     "snowflake-arctic-embed2"};

constexpr AnswerReader kAnswer{{"the registry", "仓库"}, {"an address that is no registry", "地址不是模型仓库"}};

std::string text_of(const json::object& object, std::string_view name, std::size_t max_length = 128) {
    return text_if(object, name, max_length).value_or("");
}

Layer layer_of(const json::value& value, const std::string& where) {
    const json::object& object = kAnswer.object_of(value, where);
    const json::value* digest = find(object, "digest");
    // Exactly "sha256:" and 64 hex digits, before anything is made of it: this text has been a path in others.
    const std::string_view text = digest && digest->is_string() ? std::string_view(digest->get_string()) : "";
    const auto parsed = text.starts_with("sha256:") ? Sha256::parse(text) : std::nullopt;
    if (!parsed) kAnswer.bad(where + ".digest", {"is not a SHA-256", "不是 SHA-256"});
    const auto size = kAnswer.size_if(object, "size", where);
    if (!size) kAnswer.bad(where + ".size", {"is missing", "缺失"});
    return {LayerKind::other, *parsed, *size};
}

LayerKind kind_of(std::string_view type) {
    if (type == "model") return LayerKind::model;
    if (type == "projector") return LayerKind::projector;
    if (type == "adapter") return LayerKind::adapter;
    if (type == "template" || type == "prompt") return LayerKind::prompt_template;
    if (type == "system") return LayerKind::system;
    if (type == "params") return LayerKind::params;
    if (type == "messages") return LayerKind::messages;
    if (type == "license") return LayerKind::license;
    return LayerKind::other;
}

bool is_plain(std::string_view text) {
    return !text.empty() && text.size() <= 24 && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
    });
}

// The value of name="…" among the parameters of a challenge.
std::string parameter(std::string_view header, std::string_view name) {
    const std::string key = fmt::format("{}=\"", name);
    for (auto at = header.find(key); at != std::string_view::npos; at = header.find(key, at + 1)) {
        if (at > 0 && header[at - 1] != ' ' && header[at - 1] != ',') continue;
        const auto begin = at + key.size(), end = header.find('"', begin);
        return end == std::string_view::npos ? "" : std::string(header.substr(begin, end - begin));
    }
    return {};
}

}  // namespace

Manifest parse_manifest(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    const json::object& manifest = kAnswer.object_of(document, "manifest");
    const json::value* version = find(manifest, "schemaVersion");
    if (!version || !version->is_int64() || version->get_int64() != 2)
        kAnswer.bad("manifest.schemaVersion", {"is not 2", "不是 2"});
    Manifest result;
    if (const json::value* config = find(manifest, "config")) result.config = layer_of(*config, "config");
    const json::array& layers = kAnswer.array_at(manifest, "layers");
    if (layers.size() > kMaxLayers) kAnswer.bad("manifest.layers", {"is too long", "过长"});
    std::size_t index = 0;
    for (const json::value& value : layers) {
        const std::string where = fmt::format("layers[{}]", index++);
        Layer layer = layer_of(value, where);
        const std::string type = text_of(value.get_object(), "mediaType");
        if (!type.starts_with(kTypePrefix)) continue;
        const std::string_view kind = std::string_view(type).substr(kTypePrefix.size());
        result.has_tensors |= kind == "tensor";
        layer.kind = kind_of(kind);
        if (layer.kind != LayerKind::other) result.layers.push_back(std::move(layer));
    }
    return result;
}

ModelConfig parse_config(std::string_view body) {
    ModelConfig config;
    const json::value document = kAnswer.parse(body);
    const json::object* object = document.if_object();
    if (!object) return config;
    config.format = text_of(*object, "model_format");
    config.parameters = text_of(*object, "model_type");
    config.quantization = text_of(*object, "file_type");
    if (!is_plain(config.quantization)) config.quantization.clear();
    if (const json::value* context = find(*object, "context_length"); context && context->is_int64())
        config.context_length = context->get_int64();
    if (const json::value* families = find(*object, "model_families"); families && families->is_array()) {
        for (const json::value& family : families->get_array()) {
            if (family.is_string() && family.get_string().size() <= 64 && config.families.size() < 16)
                config.families.emplace_back(family.get_string());
        }
    }
    const std::string family = text_of(*object, "model_family", 64);
    if (!family.empty() && std::ranges::find(config.families, family) == config.families.end())
        config.families.push_back(family);
    return config;
}

std::optional<bool> is_stock_compatible(const ModelConfig& config) {
    if (config.families.empty()) return std::nullopt;
    return std::ranges::none_of(config.families, [](const std::string& family) {
        return std::ranges::find(kPatchedFamilies, family) != std::end(kPatchedFamilies) ||
               family.starts_with("nemotron_h");
    });
}

std::vector<NamedLayer> name_layers(const Name& name, const Manifest& manifest, const ModelConfig& config) {
    std::string stem = name.model + "-" + name.tag;
    if (!config.quantization.empty() && !stem.contains(config.quantization)) stem += "-" + config.quantization;
    std::map<std::string, int> taken;
    std::vector<NamedLayer> named;
    for (const Layer& layer : manifest.layers) {
        std::string base, ending;
        switch (layer.kind) {
            case LayerKind::model:
                base = stem, ending = ".gguf";
                break;
            case LayerKind::projector:
                base = "mmproj-" + stem, ending = ".gguf";
                break;
            case LayerKind::adapter:
                base = "adapter", ending = ".lora";
                break;
            case LayerKind::prompt_template:
                base = "template";
                break;
            case LayerKind::system:
                base = "system";
                break;
            case LayerKind::params:
                base = "params", ending = ".json";
                break;
            case LayerKind::messages:
                base = "messages", ending = ".json";
                break;
            case LayerKind::license:
                base = "license";
                break;
            case LayerKind::other:
                continue;
        }
        const int number = ++taken[base];
        named.push_back({number == 1 ? base + ending : fmt::format("{}-{}{}", base, number, ending), layer});
    }
    return named;
}

std::string metadata_json(const ModelConfig& config, std::optional<bool> stock_compatible,
                          const std::map<std::string, std::string>& texts) {
    json::object object;
    for (const auto& [name, text] : texts) {
        if (!name.ends_with(".json")) {
            object[name] = text;
            continue;
        }
        try {
            object[name.substr(0, name.size() - 5)] = parse_json(text);
        } catch (const Error&) {
            // Parameters that are no JSON are no parameters.
        }
    }
    if (!config.families.empty()) object["families"] = json::value_from(config.families);
    if (!config.parameters.empty()) object["parameters"] = config.parameters;
    if (stock_compatible) object["stock_compatible"] = *stock_compatible;
    return json::serialize(object);
}

std::optional<Challenge> parse_challenge(std::string_view header) {
    constexpr std::string_view kScheme = "bearer ";
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (header.size() > 4096 || header.size() < kScheme.size() ||
        !std::ranges::equal(header.substr(0, kScheme.size()), kScheme, {}, lower)) {
        return std::nullopt;
    }
    header.remove_prefix(kScheme.size());
    Challenge challenge{parameter(header, "realm"), parameter(header, "service"), parameter(header, "scope")};
    if (challenge.realm.empty()) return std::nullopt;
    return challenge;
}

std::optional<std::string> parse_token(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    const json::object* object = document.if_object();
    if (!object) return std::nullopt;
    for (const char* name : {"token", "access_token"}) {
        const std::string token = text_of(*object, name, kMaxToken);
        const bool is_clean = std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
        if (!token.empty() && is_clean) return token;
    }
    return std::nullopt;
}

}  // namespace llmm::hubs::ollama
