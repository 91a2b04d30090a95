#include "integrations/engines/engine.hpp"

namespace llmm::engines {

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
