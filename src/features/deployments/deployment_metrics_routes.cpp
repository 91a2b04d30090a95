#include "features/deployments/deployment_metrics_routes.hpp"

#include "features/deployments/deployment_service.hpp"
#include "http/envelope.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {

namespace json = boost::json;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

json::object to_json(const DeploymentMetrics& all) {
    const engines::EngineMetrics& metrics = all.metrics;
    return {{"deployment_id", all.id.str()},
            {"engine", all.engine},
            {"memory_bytes", or_null(all.memory_bytes)},
            {"requests_running", or_null(metrics.requests_running)},
            {"requests_waiting", or_null(metrics.requests_waiting)},
            {"prompt_tokens_total", or_null(metrics.prompt_tokens_total)},
            {"generated_tokens_total", or_null(metrics.generated_tokens_total)},
            {"prompt_tokens_per_second", or_null(metrics.prompt_tokens_per_second)},
            {"generated_tokens_per_second", or_null(metrics.generated_tokens_per_second)},
            {"time_to_first_token_seconds", or_null(metrics.time_to_first_token_seconds)},
            {"kv_cache_usage", or_null(metrics.kv_cache_usage)},
            {"counted_here", json::value_from(all.counted_here)}};
}

}  // namespace

void DeploymentMetricsRoutes::add_to(http::Router& router) {
    router.add({http::Method::get, "/api/v1/deployments/{id}/metrics", http::Permission::read, "getDeploymentMetrics",
                http::Router::on(this, &DeploymentMetricsRoutes::metrics)});
}

Task<http::Response> DeploymentMetricsRoutes::metrics(const http::Request& request) {
    auto deployment = co_await service_.get(request.parameter("id"));
    co_return http::ok(request, to_json(co_await reader_.of(std::move(deployment))));
}

}  // namespace llmm::deployments
