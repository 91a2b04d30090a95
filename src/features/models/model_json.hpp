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
// The column metadata: what the files say, and under "source" what the hub said beside them. The first sets the latter
// for a row that is new, the second keeps it.
std::string write_source_metadata(std::string_view source_metadata);
std::string keep_source_metadata(std::string_view old_metadata, std::string_view facts_metadata);
// From the part of the metadata that the source gave.
std::optional<bool> read_stock_compatible(std::string_view metadata);
std::string write_tags(const std::vector<std::string>& tags);

}  // namespace llmm::models
