#pragma once
#include "features/models/hub_service.hpp"

#include <optional>

#include <boost/json/fwd.hpp>

namespace llmm::models {

boost::json::object to_json(Source source, const hubs::ModelSummary& model);
// `fits`: one for each variant, in their order.
boost::json::object to_json(const RemoteModel& model, const std::vector<VariantFit>& fits);
boost::json::object to_json(const hubs::Category& category);
// age: of a cached answer, in seconds.
boost::json::object to_json(const SourceReport& report, std::optional<std::int64_t> age, bool in_chinese);

}  // namespace llmm::models
