#pragma once
#include "features/downloads/download.hpp"
#include "features/downloads/speed_schedule.hpp"

#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm::downloads {

struct DownloadRequest {
    std::string ref;
    std::vector<std::string> files;  // globs
    int priority = 0;
    std::optional<std::int64_t> speed_limit;  // bytes/s
    std::optional<Sha256> sha256;             // that the file at a plain address must have
};

struct DownloadChanges {
    std::optional<int> priority;
    std::optional<std::optional<std::int64_t>> speed_limit;  // given, perhaps as null: no limit
};

boost::json::object to_json(const Download& download);
boost::json::object to_json(const OverallLimit& limit);
DownloadRequest parse_download_request(const boost::json::value& body);
DownloadChanges parse_download_changes(const boost::json::value& body);

// The column that holds the plan.
std::string write_plan(const Plan& plan);
Plan read_plan(std::string_view text);

}  // namespace llmm::downloads
