#pragma once
#include "base/async/task.hpp"
#include "base/net/upstream.hpp"
#include "integrations/engines/engine.hpp"

#include <string>

// Talking to an engine of which only its template is known.
namespace llmm::engines {

// 200 at this path is ready.
Task<Health> probe_path(Upstream& engine, std::string path);
// What it says about itself at the places where llama.cpp, vLLM, SGLang and others do; what none says is null. Throws
// ENGINE_FAILED when it does not even list its models.
Task<std::string> describe_engine(Upstream& engine);

}  // namespace llmm::engines
