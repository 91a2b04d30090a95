#pragma once
#include "base/async/task.hpp"
#include "features/deployments/deployment.hpp"
#include "storage/list_query.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::storage {
class Database;
}

namespace llmm::deployments {

struct DeploymentQuery {
    std::optional<Status> status;
    std::optional<ModelId> model_id;
    std::string sort = "-created_at";  // created_at, updated_at or name, "-" in front sorts downwards
    int limit = 50;
    std::string cursor;
};

// The tables deployments and deployment_instances. What is wanted is written by the service, what is by the reconciler
// of each deployment: the two never write the same column at the same time, but for the status that follows a wish at
// once.
class DeploymentStore {
  public:
    explicit DeploymentStore(storage::Database& database) : database_(database) {}

    Task<> insert(Deployment deployment);  // NAME_TAKEN, MODEL_NOT_FOUND
    Task<std::optional<Deployment>> find(DeploymentId id);
    Task<std::optional<Deployment>> find_by_name(std::string name);
    Task<storage::Page<Deployment>> list(DeploymentQuery query);
    Task<std::vector<Deployment>> all();
    // The name of another deployment that asks for this port.
    Task<std::optional<std::string>> port_owner(int port);
    Task<bool> remove(DeploymentId id);

    struct Wishes {
        std::optional<std::string> name, config;
        std::optional<std::int64_t> idle_unload_seconds;
        std::optional<int> replicas = {};
        std::optional<bool> on_demand = {}, pinned = {};
    };
    Task<bool> update(DeploymentId id, Wishes wishes);  // NAME_TAKEN
    // A wish to run takes a stopped or failed deployment to deploying and forgets its last error. Who stops it does not
    // want the next request to start it again: with a wish to stop it is on demand no more.
    Task<> set_desired(DeploymentId id, Desired desired);
    // A request's wish to run: nothing when somebody has stopped it meanwhile.
    Task<> run_on_demand(DeploymentId id);
    // What an instance was let in with; nullopt: not known.
    Task<> set_memory(DeploymentId id, std::optional<std::int64_t> host, std::optional<std::int64_t> gpu);

    // What the reconciler saw. `effective` is always written: nothing is in effect when nothing runs.
    struct Observation {
        Status status = Status::stopped;
        std::optional<std::string> effective;
        std::optional<std::string> last_error;  // empty: stays as it is
        int more_restarts = 0;
    };
    Task<> observe(DeploymentId id, Observation observation);

    Task<> insert_instance(DeploymentId deployment, Instance instance);
    Task<> update_instance(Instance instance);
    Task<> remove_instance(InstanceId id);

    // Numbers them, and forgets all but the last kKeptEvents. A deployment that is gone has no history.
    static constexpr int kKeptEvents = 50;
    Task<> add_events(DeploymentId id, std::vector<DeploymentEvent> events);
    Task<std::vector<DeploymentEvent>> events(DeploymentId id);  // oldest first

  private:
    storage::Database& database_;
};

}  // namespace llmm::deployments
