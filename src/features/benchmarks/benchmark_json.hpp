#pragma once
#include "features/benchmarks/benchmark.hpp"

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace llmm::benchmarks {

Plan parse_plan(const boost::json::value& body);  // VALIDATION_FAILED
boost::json::value to_json(const Benchmark& benchmark);

// The columns `plan` and `levels`.
std::string to_text(const Plan& plan);
std::string to_text(const std::vector<Level>& levels);
Plan plan_from_text(std::string_view text);
std::vector<Level> levels_from_text(std::string_view text);

}  // namespace llmm::benchmarks
