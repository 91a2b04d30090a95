#include "features/deployments/deployment_recovery.hpp"

#include "base/log/log.hpp"
#include "base/process/process.hpp"
#include "features/deployments/deployment_engine.hpp"

#include <set>
#include <unistd.h>

namespace llmm::deployments {
namespace {

// A manager that was killed between the fork and the note of the pid left a row without one; the engine carries the
// row's id in its environment.
Task<std::optional<Process>> find_process(asio::any_io_executor executor, BlockingPool& files, Instance instance) {
    if (instance.process) co_return Process::adopt(executor, *instance.process);
    const auto found =
        co_await files.run([&instance] { return find_processes_with_environment(kInstanceMark, instance.id.str()); });
    for (const ProcessIdentity& identity : found) {
        if (::getsid(identity.pid) == identity.pid) co_return Process::adopt(executor, identity);
    }
    co_return std::nullopt;
}

Task<> end_process(Process process, std::chrono::milliseconds grace) {
    log::info("ends an engine that nobody wants", {{"pid", process.identity().pid}});
    co_await process.stop(grace);
}

// Children of an engine that is kept have its environment too: they are of its session.
Task<> end_orphans(asio::any_io_executor executor, BlockingPool& files, std::filesystem::path home,
                   std::set<pid_t> kept, std::chrono::milliseconds grace) {
    const auto found =
        co_await files.run([&home] { return find_processes_with_environment(kHomeMark, home.native()); });
    for (const ProcessIdentity& identity : found) {
        if (kept.contains(::getsid(identity.pid))) continue;
        auto process = Process::adopt(executor, identity);
        if (process) co_await end_process(std::move(*process), grace);
    }
}

}  // namespace

Task<std::map<DeploymentId, Reconciler::Adopted>> recover_engines(asio::any_io_executor executor,
                                                                  DeploymentStore& store, BlockingPool& files,
                                                                  std::filesystem::path home,
                                                                  std::chrono::milliseconds stop_grace) {
    std::map<DeploymentId, Reconciler::Adopted> adopted;
    std::set<pid_t> kept;
    const auto deployments = co_await store.all();
    for (const Deployment& deployment : deployments) {
        for (Instance instance : deployment.instances) {
            auto process = co_await find_process(executor, files, instance);
            const bool wanted = deployment.desired == Desired::running && !adopted.contains(deployment.id) &&
                                instance.state != InstanceState::stopping;
            if (process && wanted) {
                instance.process = process->identity();
                instance.state = InstanceState::starting;  // ready when it says so
                kept.insert(instance.process->pid);
                co_await store.update_instance(instance);
                adopted.emplace(deployment.id, Reconciler::Adopted{std::move(instance), std::move(*process)});
                continue;
            }
            if (process) co_await end_process(std::move(*process), stop_grace);
            const auto endpoint = parse_endpoint(instance.endpoint);
            if (endpoint) co_await files.run([&endpoint] { remove_socket(*endpoint); });
            co_await store.remove_instance(instance.id);
        }
        const bool wanted = deployment.desired == Desired::running;
        co_await store.observe(deployment.id, {.status = wanted ? Status::deploying : Status::stopped});
    }
    co_await end_orphans(executor, files, std::move(home), std::move(kept), stop_grace);
    co_return adopted;
}

}  // namespace llmm::deployments
