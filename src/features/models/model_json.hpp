#pragma once
#include "features/models/model.hpp"
#include "features/models/model_service.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm::models {

boost::json::object to_json(const Model& model);
boost::json::object to_json(const ModelFile& file);
ModelChanges parse_model_changes(const boost::json::value& body);

// The columns that hold JSON.
std::vector<std::string> read_tags(std::string_view text);
std::string write_tags(const std::vector<std::string>& tags);

}  // namespace llmm::models
