#include "integrations/engines/engine.hpp"

#include "integrations/engines/llama_server/memory_estimate.hpp"

namespace llmm::engines {

std::string Engine::complete(const std::string& config, std::string_view) const {
    return config;
}

std::optional<MetricNames> Engine::metrics(const std::string&) const {
    return std::nullopt;
}

std::optional<llama_server::MemorySettings> Engine::memory_settings(const std::string&, const std::string&,
                                                                    bool) const {
    return std::nullopt;
}

Task<std::string> Engine::keep_secrets(std::string, std::string config) {
    co_return config;
}

Task<> Engine::forget(std::string) {
    co_return;
}

Task<> Engine::close() {
    co_return;
}

Engine* EngineSet::find(std::string_view name) const {
    for (const auto& engine : engines_) {
        if (engine->descriptor().name == name) return engine.get();
    }
    return nullptr;
}

Engine& EngineSet::get(std::string_view name) const {
    if (Engine* engine = find(name)) return *engine;
    throw Error(ErrorCode::engine_unavailable, Text::format("there is no engine {}", "没有引擎 {}", name),
                {{"engine", std::string(name)}});
}

}  // namespace llmm::engines
