#include "features/deployments/deployment_recovery.hpp"

#include "base/log/log.hpp"
#include "features/deployments/deployment_engine.hpp"

namespace llmm::deployments {
namespace {

Task<std::unique_ptr<engines::EngineInstance>> find_instance(const engines::EngineSet& engines,
                                                             const Deployment& deployment, const Instance& row,
                                                             std::filesystem::path home) {
    engines::Engine* const engine = engines.find(deployment.engine);
    if (!engine) co_return nullptr;
    auto order = order_for(deployment, row.id, {}, log_path(home, deployment.id));
    co_return co_await engine->adopt(std::move(order), record_of(row));
}

}  // namespace

Task<std::map<DeploymentId, std::vector<Runner::Adopted>>> recover_engines(DeploymentStore& store,
                                                                           const engines::EngineSet& engines,
                                                                           std::filesystem::path home,
                                                                           std::chrono::milliseconds stop_grace) {
    std::map<DeploymentId, std::vector<Runner::Adopted>> adopted;
    std::vector<engines::Record> kept;
    const auto deployments = co_await store.all();
    for (const Deployment& deployment : deployments) {
        const bool wanted = deployment.desired == Desired::running;
        for (Instance row : deployment.instances) {
            auto instance = co_await find_instance(engines, deployment, row, home);
            if (instance && wanted && row.state != InstanceState::stopping) {
                row.state = InstanceState::starting;  // ready when it says so
                take_record(row, instance->record());
                kept.push_back(instance->record());
                co_await store.update_instance(row);
                adopted[deployment.id].push_back({std::move(row), std::move(instance)});
                continue;
            }
            if (instance) {
                log::info("ends an engine that nobody wants", {{"deployment", deployment.name}});
                co_await instance->stop(stop_grace);
            }
            co_await store.remove_instance(row.id);
        }
        co_await store.observe(deployment.id, {.status = wanted ? Status::deploying : Status::stopped});
    }
    for (const auto& engine : engines.all())
        co_await engine->sweep(kept, stop_grace);
    co_return adopted;
}

}  // namespace llmm::deployments
