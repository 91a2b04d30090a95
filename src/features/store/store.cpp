#include "features/store/store.hpp"

namespace llmm::store {

std::string_view name_of(Layout layout) {
    return layout == Layout::hf_cache ? "hf-cache" : "ollama";
}

std::string_view name_of(ImportSource source) {
    switch (source) {
        case ImportSource::path:
            return "path";
        case ImportSource::hf_cache:
            return "hf-cache";
        case ImportSource::ollama:
            break;
    }
    return "ollama";
}

std::optional<Layout> parse_layout(std::string_view text) {
    if (text == "hf-cache") return Layout::hf_cache;
    if (text == "ollama") return Layout::ollama;
    return std::nullopt;
}

std::optional<ImportSource> parse_import_source(std::string_view text) {
    for (const ImportSource source : {ImportSource::path, ImportSource::hf_cache, ImportSource::ollama}) {
        if (text == name_of(source)) return source;
    }
    return std::nullopt;
}

}  // namespace llmm::store
