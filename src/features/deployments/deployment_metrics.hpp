#pragma once
#include "base/async/task.hpp"
#include "features/deployments/deployment.hpp"
#include "integrations/engines/engine_metrics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmm::deployments {

class DeploymentService;

// What a deployment's engines tell about their work, all instances together.
struct DeploymentMetrics {
    DeploymentId id;
    std::string name, engine;
    std::optional<std::int64_t> memory_bytes;
    engines::EngineMetrics metrics;  // nothing is known of one that does not run
};

// Asks engines for their metrics. Used from the event loop.
class MetricsReader {
  public:
    explicit MetricsReader(DeploymentService& service) : service_(service) {}

    Task<DeploymentMetrics> of(Deployment deployment);
    // Of those that run, at most so many. An engine that does not answer within two seconds tells nothing.
    Task<std::vector<DeploymentMetrics>> all(int limit);

  private:
    DeploymentService& service_;
};

}  // namespace llmm::deployments
