#pragma once
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/events/event_bus.hpp"
#include "features/deployments/admissions.hpp"
#include "features/deployments/deployment_service.hpp"
#include "features/gateway/alias_store.hpp"
#include "features/models/model_service.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::gateway {

// Where requests for a model go.
struct Target {
    DeploymentId id;
    std::string name;       // of the deployment
    std::string model_ref;  // canonical
    std::string engine;
    TimePoint created_at;
    std::shared_ptr<deployments::Admission> admission;
};

// Finds the deployment that a model name of a request means: its name or id, an alias, or a reference of its model.
// What was found is remembered until a deployment changes. Used from the event loop only.
class ModelDirectory {
  public:
    struct Deps {
        asio::any_io_executor executor;
        deployments::DeploymentService& deployments;
        deployments::Admissions& admissions;
        models::ModelService& models;
        AliasStore& aliases;
        EventBus& events;
    };
    explicit ModelDirectory(Deps deps) : deps_(deps), work_(deps.executor) {}

    void start();
    Task<> stop();

    using TargetPtr = std::shared_ptr<const Target>;
    // Without asking anybody; nullptr when the name is not known yet.
    TargetPtr find_known(std::string_view name) const;
    // MODEL_NOT_FOUND. `deploy`: a model that is here and not deployed is deployed now.
    Task<TargetPtr> find(std::string name, bool deploy);
    // Deployments that are wanted to run.
    Task<std::vector<deployments::Deployment>> running();
    // Looks again how many slots its engine has.
    Task<> refresh(DeploymentId id);
    void forget();

  private:
    Task<> watch();
    Task<std::optional<deployments::Deployment>> search(std::string name, bool deploy);
    Task<std::optional<deployments::Deployment>> by_name(std::string name);
    Task<std::optional<deployments::Deployment>> by_model(std::string name, bool deploy);
    TargetPtr target_of(const deployments::Deployment& deployment);

    Deps deps_;
    std::uint64_t generation_ = 0;  // of known_
    std::map<std::string, TargetPtr, std::less<>> known_;
    TaskGroup work_;
};

}  // namespace llmm::gateway
