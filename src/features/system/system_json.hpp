#pragma once
#include "features/system/system_history.hpp"

#include <span>

#include <boost/json/fwd.hpp>

namespace llmm::system {

boost::json::object to_json(const hardware::Gpu& gpu);
boost::json::object to_json(const Resources& resources, std::span<const EngineUse> engines, double uptime_seconds);
boost::json::object to_json(Metric metric, std::span<const HistoryPoint> points);
boost::json::object to_json(const Check& check);

}  // namespace llmm::system
