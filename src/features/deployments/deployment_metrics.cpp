#include "features/deployments/deployment_metrics.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/error/error.hpp"
#include "base/net/upstream.hpp"
#include "features/deployments/deployment_store.hpp"

namespace llmm::deployments {
namespace {

constexpr std::chrono::seconds kLimit{2};

// The family of metrics that an engine speaks.
std::string_view family_of(std::string_view engine) {
    return engine == "llama-server" ? "llama.cpp" : engine;
}

Task<std::string> fetch(std::string address) {
    const auto endpoint = parse_endpoint(address);
    if (!endpoint) co_return std::string();
    Upstream engine(*endpoint);
    try {
        UpstreamResponse response = co_await engine.send({.method = "GET",
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
    const engines::MetricNames* names = engines::metric_names(family_of(deployment.engine));
    std::vector<engines::EngineMetrics> instances;
    for (const Instance& instance : deployment.instances) {
        if (instance.memory_bytes) result.memory_bytes = result.memory_bytes.value_or(0) + *instance.memory_bytes;
        if (!names || instance.state != InstanceState::ready) continue;
        std::string text;
        co_await race(assign(fetch(instance.endpoint), text), sleep_for(kLimit));
        instances.push_back(engines::read_metrics(*names, engines::parse_exposition(text)));
    }
    result.metrics = engines::combined(instances);
    co_return result;
}

Task<std::vector<DeploymentMetrics>> MetricsReader::all(std::size_t limit) {
    std::vector<DeploymentMetrics> found;
    for (const Deployment& deployment : co_await store_.all()) {
        if (found.size() == limit) break;
        if (deployment.status == Status::running) found.push_back(co_await of(deployment));
    }
    co_return found;
}

}  // namespace llmm::deployments
