#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/events/event_bus.hpp"
#include "base/net/upstream.hpp"
#include "features/deployments/deployment.hpp"
#include "features/deployments/deployment_engine.hpp"
#include "features/deployments/deployment_reconciler.hpp"
#include "features/deployments/deployment_store.hpp"
#include "features/deployments/memory_planner.hpp"
#include "features/models/model_service.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace llmm::deployments {

struct DeploymentRequest {
    std::optional<ModelId> model_id;  // or
    std::string ref;                  // of a model that is already here
    std::string name;                 // empty: made from the model's name
    std::string engine = "auto";
    std::string gpu_device = "auto";
    std::optional<int> port;
    int replicas = 1;
    std::string config = "{}";
    bool auto_start = true;
    std::int64_t idle_unload_seconds = 0;
    bool pinned = false;
};

struct DeploymentChanges {
    std::optional<std::string> name, config;
    std::optional<std::int64_t> idle_unload_seconds;
    std::optional<int> replicas = {};
    std::optional<bool> on_demand = {}, pinned = {};
};

// Makes running engines match what the database says is wanted: one loop per deployment (a reconciler) owns its
// instances and every change of its status. Used from the event loop only.
class DeploymentService {
  public:
    struct Settings {
        std::filesystem::path home;
        std::chrono::milliseconds start_timeout{600'000};
        std::chrono::milliseconds stop_grace{10'000};
        std::uint64_t max_log_bytes = 10 << 20;
        Pace pace = {};
    };
    struct Deps {
        asio::any_io_executor executor;
        DeploymentStore& store;
        models::ModelService& models;
        EventBus& events;
        BlockingPool& files;
        const engines::EngineSet& engines;
        MemoryPlanner& memory;
    };
    DeploymentService(Deps deps, Settings settings);
    ~DeploymentService();

    // Adopts engines that an earlier run left, ends those nobody wants, and begins to reconcile.
    Task<> start();
    // Ends the loops. Engines keep running when `leave_engines` (a restart of the manager adopts them), else they are
    // stopped.
    Task<> shut_down(bool leave_engines);

    // MODEL_NOT_FOUND, MODEL_NOT_READY, UNSUPPORTED_FORMAT, NAME_TAKEN, ENGINE_UNAVAILABLE, PORT_IN_USE,
    // VALIDATION_FAILED, INSUFFICIENT_MEMORY.
    Task<Deployment> create(DeploymentRequest request);
    // What create() would do, without doing it.
    struct Plan {
        Deployment deployment;
        MemoryPlan memory;
    };
    Task<Plan> plan(DeploymentRequest request);
    Task<storage::Page<Deployment>> list(DeploymentQuery query);
    Task<Deployment> get(std::string id_or_name);  // DEPLOYMENT_NOT_FOUND, as all below
    Task<Deployment> update(std::string id_or_name, DeploymentChanges changes);
    Task<DeploymentId> remove(std::string id_or_name);  // when its engine is gone
    // The bool: whether anything had to change.
    Task<std::pair<Deployment, bool>> start(std::string id_or_name);
    Task<std::pair<Deployment, bool>> stop(std::string id_or_name);
    Task<Deployment> restart(std::string id_or_name);
    Task<std::vector<DeploymentEvent>> events(std::string id_or_name);  // oldest first
    // Under which names its instances tell their metrics; nullopt: they tell none.
    std::optional<engines::MetricNames> metric_names(const Deployment& deployment) const;
    std::filesystem::path log_path(const DeploymentId& id) const;
    Task<std::vector<EngineInfo>> engines();

    // To ask the instances that answer about themselves; requests of clients take a lease instead.
    std::vector<std::shared_ptr<Upstream>> upstreams(const DeploymentId& id) const;

    // How far the start is that requests wait for.
    LoadProgress progress(const DeploymentId& id) const;

    // The only way to an engine: starts one that is on demand, and waits until the deadline (ENGINE_UNAVAILABLE with
    // how far it is). STATE_CONFLICT when nobody wants it to run, ENGINE_FAILED with its last words when it keeps
    // failing. `affinity`: requests with the same number go to the same instance while it is not busier than the
    // others; see affinity_of.
    Task<EngineLease> ensure_ready(DeploymentId id, std::chrono::steady_clock::time_point deadline,
                                   std::uint64_t affinity = 0);
    // Of what a prompt begins with, so that the instance that has it in its cache is asked again.
    static std::uint64_t affinity_of(std::string_view prompt);
    // The same for an engine that is ready now, without asking the database; nullopt for any other.
    std::optional<EngineLease> lease_if_ready(const DeploymentId& id, std::uint64_t affinity = 0);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace llmm::deployments
