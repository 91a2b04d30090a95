#pragma once
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/events/event_bus.hpp"
#include "features/deployments/deployment_service.hpp"
#include "features/gateway/admission.hpp"
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
    std::shared_ptr<Admission> admission;
};

// Finds the deployment that a model name of a request means: its name or id, an alias, or a reference of its model.
// What was found is remembered until a deployment changes. Used from the event loop only.
class ModelDirectory {
  public:
    struct Deps {
        asio::any_io_executor executor;
        deployments::DeploymentService& deployments;
        models::ModelService& models;
        AliasStore& aliases;
        EventBus& events;
    };
    struct Limits {
        std::size_t at_once = 0;  // requests of one deployment; 0: as many as its engine has slots
        std::size_t waiting = 512;
    };
    ModelDirectory(Deps deps, Limits limits) : deps_(deps), limits_(limits), work_(deps.executor) {}

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
    // Of deployments that were asked for since something changed last.
    const std::map<DeploymentId, std::shared_ptr<Admission>>& doors() const { return doors_; }

  private:
    Task<> watch();
    Task<std::optional<deployments::Deployment>> search(std::string name, bool deploy);
    Task<std::optional<deployments::Deployment>> by_name(std::string name);
    Task<std::optional<deployments::Deployment>> by_model(std::string name, bool deploy);
    TargetPtr target_of(const deployments::Deployment& deployment);

    Deps deps_;
    const Limits limits_;
    std::uint64_t generation_ = 0;  // of known_
    std::map<std::string, TargetPtr, std::less<>> known_;
    std::map<DeploymentId, std::shared_ptr<Admission>> doors_;
    TaskGroup work_;
};

}  // namespace llmm::gateway
