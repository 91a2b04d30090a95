#pragma once
#include "base/async/task.hpp"
#include "base/time/time.hpp"
#include "features/deployments/deployment.hpp"
#include "integrations/engines/engine_metrics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::usage {
class UsageRecorder;
class UsageStore;
}  // namespace llmm::usage

namespace llmm::deployments {

class Admissions;
class DeploymentService;

// What a deployment's engines tell about their work, all instances together; what they don't tell and this program sees
// by itself, as it counts it.
struct DeploymentMetrics {
    DeploymentId id;
    std::string name, engine;
    std::optional<std::int64_t> memory_bytes;
    engines::EngineMetrics metrics;
    std::vector<std::string_view> counted_here;  // names of metrics that no engine told
};

// Asks engines for their metrics. Used from the event loop.
class MetricsReader {
  public:
    struct Deps {
        DeploymentService& service;
        const Admissions& admissions;
        usage::UsageStore& usage;
        usage::UsageRecorder& recorder;
    };
    explicit MetricsReader(Deps deps) : deps_(deps) {}

    // Tokens and times that are counted here are those of requests since the deployment was made.
    Task<DeploymentMetrics> of(Deployment deployment);
    // Of those that run, at most so many. An engine that does not answer within two seconds tells nothing; the table of
    // past requests is not asked.
    Task<std::vector<DeploymentMetrics>> all(int limit);

  private:
    Task<DeploymentMetrics> told(Deployment deployment);
    Task<> add_past(DeploymentMetrics& metrics, TimePoint since);

    const Deps deps_;
};

}  // namespace llmm::deployments
