#include "features/deployments/deployment_metrics.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/net/upstream.hpp"
#include "features/deployments/admissions.hpp"
#include "features/deployments/deployment_service.hpp"
#include "features/usage/usage_recorder.hpp"
#include "features/usage/usage_store.hpp"

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

void fill(DeploymentMetrics& metrics, std::string_view name, std::optional<double>& value, double counted) {
    if (value) return;
    value = counted;
    metrics.counted_here.push_back(name);
}

}  // namespace

Task<DeploymentMetrics> MetricsReader::told(Deployment deployment) {
    DeploymentMetrics result{.id = deployment.id,
                             .name = deployment.name,
                             .engine = deployment.engine,
                             .memory_bytes = {},
                             .metrics = {},
                             .counted_here = {}};
    for (const Instance& instance : deployment.instances) {
        if (instance.memory_bytes) result.memory_bytes = result.memory_bytes.value_or(0) + *instance.memory_bytes;
    }
    const auto upstreams = deps_.service.upstreams(deployment.id);
    if (const auto names = deps_.service.metric_names(deployment)) {
        std::vector<engines::EngineMetrics> instances;
        for (const auto& engine : upstreams) {
            std::string text;
            co_await race(assign(fetch(engine), text), sleep_for(kLimit));
            instances.push_back(engines::read_metrics(*names, engines::parse_exposition(text)));
        }
        result.metrics = engines::combined(instances);
    }
    if (upstreams.empty()) co_return result;  // nothing is known of one that does not run
    const auto door = deps_.admissions.all().find(deployment.id);
    const bool asked = door != deps_.admissions.all().end();
    fill(result, "requests_running", result.metrics.requests_running,
         asked ? static_cast<double>(door->second->inside()) : 0);
    fill(result, "requests_waiting", result.metrics.requests_waiting,
         asked ? static_cast<double>(door->second->waiting()) : 0);
    co_return result;
}

Task<> MetricsReader::add_past(DeploymentMetrics& metrics, TimePoint since) {
    co_await deps_.recorder.flush();
    const auto groups = co_await deps_.usage.sum(
        {.group_by = {}, .from = since, .to = {}, .model = {}, .caller = {}, .deployment = metrics.name});
    const usage::UsageSum past = groups.empty() ? usage::UsageSum() : groups.front();
    fill(metrics, "prompt_tokens_total", metrics.metrics.prompt_tokens_total, static_cast<double>(past.tokens_in));
    fill(metrics, "generated_tokens_total", metrics.metrics.generated_tokens_total,
         static_cast<double>(past.tokens_out));
    if (past.mean_first_token_ms) {
        fill(metrics, "time_to_first_token_seconds", metrics.metrics.time_to_first_token_seconds,
             *past.mean_first_token_ms / 1000);
    }
}

Task<DeploymentMetrics> MetricsReader::of(Deployment deployment) {
    const TimePoint since = deployment.created_at;
    const bool runs = deployment.status == Status::running;
    DeploymentMetrics metrics = co_await told(std::move(deployment));
    if (runs) co_await add_past(metrics, since);
    co_return metrics;
}

Task<std::vector<DeploymentMetrics>> MetricsReader::all(int limit) {
    std::vector<DeploymentMetrics> found;
    const auto page = co_await deps_.service.list({.status = Status::running, .model_id = {}, .limit = limit});
    for (const Deployment& deployment : page.items)
        found.push_back(co_await told(deployment));
    co_return found;
}

}  // namespace llmm::deployments
