#pragma once
#include "features/deployments/memory_plan.hpp"
#include "integrations/engines/llama_server/memory_estimate.hpp"

#include <optional>
#include <string>

#include <boost/json/fwd.hpp>

namespace llmm::deployments {

// The settings that memory depends on, of an engine whose formula is known. `has_gpu`: the machine has one.
std::optional<engines::llama_server::MemorySettings> memory_settings_of(const std::string& engine,
                                                                        const std::string& config,
                                                                        const std::string& gpu_device, bool has_gpu);
// The same config with another context.
std::string with_context_size(const std::string& config, std::int64_t tokens);

boost::json::object to_json(const MemoryPlan& plan, bool chinese);

}  // namespace llmm::deployments
