#pragma once
#include "features/chat/engine_source.hpp"
#include "features/deployments/admissions.hpp"
#include "features/deployments/deployment_service.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace llmm::chat {

// The engines of the deployments.
class DeploymentEngines final : public EngineSource {
  public:
    DeploymentEngines(deployments::DeploymentService& deployments, deployments::Admissions& admissions)
        : deployments_(deployments), admissions_(admissions) {}

    Task<DeploymentId> find(std::string id_or_name) override {
        auto deployment = co_await deployments_.get(std::move(id_or_name));
        co_return deployment.id;
    }

    Task<Engine> take(Asked asked) override {
        const auto door = admissions_.of(co_await deployments_.get(asked.id.str()));
        auto permit = co_await door->enter({.caller = std::move(asked.caller),
                                            .deadline = asked.deadline,
                                            .interval = std::chrono::seconds(1),
                                            .told = [&asked](std::size_t position) -> Task<> {
                                                if (asked.queued) asked.queued(position);
                                                co_return;
                                            }});
        Engine engine =
            co_await ready(asked.id, asked.deadline, deployments::DeploymentService::affinity_of(asked.prefix));
        struct Held {
            deployments::Admission::Permit permit;
            std::shared_ptr<Upstream> upstream;
        };
        const auto held = std::make_shared<Held>(std::move(permit), std::move(engine.upstream));
        engine.upstream = std::shared_ptr<Upstream>(held, held->upstream.get());
        co_return engine;
    }

    Task<Engine> ensure_ready(DeploymentId id, std::chrono::steady_clock::time_point deadline) override {
        return ready(id, deadline, 0);
    }

  private:
    Task<Engine> ready(DeploymentId id, std::chrono::steady_clock::time_point deadline, std::uint64_t affinity) {
        auto lease =
            std::make_shared<deployments::EngineLease>(co_await deployments_.ensure_ready(id, deadline, affinity));
        const auto deployment = co_await deployments_.get(id.str());
        admissions_.of(deployment);  // only now its engine tells how many slots it has
        // Shares the ownership of the whole lease, so that the engine stays busy.
        co_return Engine{std::shared_ptr<Upstream>(lease, &lease->upstream()), lease->model(), deployment.name,
                         deployment.model_ref, [lease] {
                             const bool has_others = lease->has_others();
                             lease->give_up();
                             return has_others;
                         }};
    }

    deployments::DeploymentService& deployments_;
    deployments::Admissions& admissions_;
};

}  // namespace llmm::chat
