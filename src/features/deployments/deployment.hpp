#pragma once
#include "base/ids/id.hpp"
#include "base/process/process.hpp"
#include "base/time/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::deployments {

enum class Status { deploying, running, stopped, failed };
enum class Desired { running, stopped };
enum class InstanceState { starting, ready, stopping };

std::string_view name_of(Status status);
std::string_view name_of(Desired desired);
std::string_view name_of(InstanceState state);
std::optional<Status> parse_status(std::string_view text);

// One running engine.
struct Instance {
    InstanceId id;
    InstanceState state = InstanceState::starting;
    std::optional<ProcessIdentity> process = {};
    std::string container = {};  // id; empty: none
    std::string endpoint = {};   // see to_string(Endpoint)
    std::string spec = {};       // of what it was started with; see spec_of
    std::optional<std::int64_t> memory_bytes = {};
    TimePoint started_at{};
};

// Something that happened to a deployment. Kinds: starting, adopted, ready, failed, waiting, parked, unhealthy,
// draining, stopping, stopped, unloaded, changed.
struct DeploymentEvent {
    std::int64_t seq = 0;  // of this deployment
    std::optional<std::string> instance_id = {};
    std::string kind;
    std::string reason = {};
    TimePoint time{};
};

// What somebody wants to run (name to idle_unload_seconds) and what is (status, effective, instances, last_error).
struct Deployment {
    DeploymentId id;
    ModelId model_id;
    std::string model_ref;
    std::string name;
    std::string engine;
    std::string engine_reason;
    Status status = Status::stopped;
    Desired desired = Desired::stopped;
    std::optional<int> port;
    std::string gpu_device = "auto";
    std::string config = "{}";             // JSON, validated by the engine's option list
    std::optional<std::string> effective;  // JSON, read back from the engine
    int replicas = 1;
    std::int64_t idle_unload_seconds = 0;
    std::optional<std::string> last_error;
    std::int64_t restarts = 0;
    std::vector<Instance> instances;
    TimePoint created_at{}, updated_at{};
    bool on_demand = false;  // the first request starts it
    bool pinned = false;     // never ended to make room for another
    std::optional<std::int64_t> memory_estimated = {}, gpu_memory_estimated = {};  // what it was let in with
};

}  // namespace llmm::deployments
