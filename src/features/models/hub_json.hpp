#pragma once
#include "features/models/hub_service.hpp"

#include <optional>

#include <boost/json/fwd.hpp>

namespace llmm::models {

boost::json::object to_json(Source source, const hubs::ModelSummary& model);
// `memory_bytes`: what this machine could give a model; a rough "fits" until deployments know better.
boost::json::object to_json(const RemoteModel& model, std::optional<std::uint64_t> memory_bytes);
boost::json::object to_json(const hubs::Category& category);
// age: of a cached answer, in seconds.
boost::json::object to_json(const SourceReport& report, std::optional<std::int64_t> age, bool in_chinese);

}  // namespace llmm::models
