#pragma once
#include "features/chat/engine_source.hpp"
#include "features/deployments/deployment_service.hpp"

#include <memory>
#include <string>
#include <utility>

namespace llmm::chat {

// The engines of the deployments.
class DeploymentEngines final : public EngineSource {
  public:
    explicit DeploymentEngines(deployments::DeploymentService& deployments) : deployments_(deployments) {}

    Task<DeploymentId> find(std::string id_or_name) override {
        auto deployment = co_await deployments_.get(std::move(id_or_name));
        co_return deployment.id;
    }

    Task<Engine> ensure_ready(DeploymentId id, std::chrono::steady_clock::time_point deadline) override {
        auto lease = std::make_shared<deployments::EngineLease>(co_await deployments_.ensure_ready(id, deadline));
        const auto deployment = co_await deployments_.get(id.str());
        // Shares the ownership of the whole lease, so that the engine stays busy.
        co_return Engine{std::shared_ptr<Upstream>(lease, &lease->upstream()), lease->model(), deployment.name,
                         deployment.model_ref};
    }

  private:
    deployments::DeploymentService& deployments_;
};

}  // namespace llmm::chat
