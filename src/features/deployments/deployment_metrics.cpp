#include "features/deployments/deployment_metrics.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/net/upstream.hpp"
#include "features/deployments/deployment_service.hpp"

namespace llmm::deployments {
namespace {

constexpr std::chrono::seconds kLimit{2};

Task<std::string> fetch(std::shared_ptr<Upstream> engine) {
    try {
        UpstreamResponse response = co_await engine->send({.method = "GET",
                                                           .target = "/metrics",
                                                           .connect_timeout = kLimit,
                                                           .head_timeout = kLimit,
                                                           .read_timeout = kLimit});
        std::string text = co_await response.read_all(engines::kMostExpositionBytes);
        co_return response.status() == 200 ? std::move(text) : std::string();
    } catch (const HttpError&) {
        co_return std::string();
    }
}

}  // namespace

Task<DeploymentMetrics> MetricsReader::of(Deployment deployment) {
    DeploymentMetrics result{
        .id = deployment.id, .name = deployment.name, .engine = deployment.engine, .memory_bytes = {}, .metrics = {}};
    const auto names = service_.metric_names(deployment);
    std::vector<engines::EngineMetrics> instances;
    for (const Instance& instance : deployment.instances) {
        if (instance.memory_bytes) result.memory_bytes = result.memory_bytes.value_or(0) + *instance.memory_bytes;
    }
    if (!names) co_return result;
    for (const auto& engine : service_.upstreams(deployment.id)) {
        std::string text;
        co_await race(assign(fetch(engine), text), sleep_for(kLimit));
        instances.push_back(engines::read_metrics(*names, engines::parse_exposition(text)));
    }
    result.metrics = engines::combined(instances);
    co_return result;
}

Task<std::vector<DeploymentMetrics>> MetricsReader::all(int limit) {
    std::vector<DeploymentMetrics> found;
    const auto page = co_await service_.list({.status = Status::running, .model_id = {}, .limit = limit});
    for (const Deployment& deployment : page.items)
        found.push_back(co_await of(deployment));
    co_return found;
}

}  // namespace llmm::deployments
