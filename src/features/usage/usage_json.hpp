#pragma once
#include "features/usage/usage.hpp"

#include <string>
#include <vector>

#include <boost/json/value.hpp>

namespace llmm::usage {

boost::json::value to_json(const UsageSum& sum, const std::vector<Grouping>& group_by);
// A head line and one line a group (RFC 4180).
std::string to_csv(const std::vector<UsageSum>& sums, const std::vector<Grouping>& group_by);

}  // namespace llmm::usage
