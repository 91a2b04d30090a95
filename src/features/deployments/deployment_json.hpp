#pragma once
#include "base/events/event_bus.hpp"
#include "features/deployments/deployment_engine.hpp"
#include "features/deployments/deployment_log.hpp"
#include "features/deployments/deployment_service.hpp"
#include "integrations/engines/engine.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

// The only place where fields of deployments are spelled.
namespace llmm::deployments {

// Bodies of requests. Throw VALIDATION_FAILED naming every bad field.
DeploymentRequest parse_request(const boost::json::value& body);
DeploymentChanges parse_changes(const boost::json::value& body);

boost::json::value to_json(const Deployment& deployment);
boost::json::value to_json(const DeploymentEvent& event);
// The template that a config names; empty: none.
std::string template_name(const std::string& config);
// What a config says of somebody else's server; it has been checked.
std::string external_name(const std::string& config);
std::string external_ref(const std::string& config);
// How many requests at once a configuration, wanted or effective, is for; nullopt when it doesn't say.
std::optional<std::size_t> slots_in(const std::string& config);
boost::json::value to_json(const EngineInfo& engine, bool chinese);
boost::json::value to_json(const LogTail& tail);
boost::json::value log_line_json(std::string_view text);

// Throws VALIDATION_FAILED naming each bad field as "config.<field>".
void check_config(const engines::Engine& engine, const std::string& config);

inline constexpr std::string_view kTopic = "deployments";
void publish_created(EventBus& events, const Deployment& deployment);
void publish_updated(EventBus& events, const Deployment& deployment);
void publish_event(EventBus& events, const DeploymentId& id, const DeploymentEvent& event);
void publish_deleted(EventBus& events, const DeploymentId& id);

}  // namespace llmm::deployments
