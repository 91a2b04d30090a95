#pragma once
#include "features/deployments/memory_plan.hpp"

#include <string>

#include <boost/json/fwd.hpp>

namespace llmm::deployments {

// The same config with another context.
std::string with_context_size(const std::string& config, std::int64_t tokens);

boost::json::object to_json(const MemoryPlan& plan, bool chinese);

}  // namespace llmm::deployments
