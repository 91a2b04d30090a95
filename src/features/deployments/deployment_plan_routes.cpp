#include "features/deployments/deployment_plan_routes.hpp"

#include "features/deployments/deployment_json.hpp"
#include "features/deployments/memory_planner_json.hpp"
#include "http/envelope.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {

namespace json = boost::json;

void DeploymentPlanRoutes::add_to(http::Router& router) {
    router.add({http::Method::post, "/api/v1/deployments/plan", http::Permission::read, "planDeployment",
                http::Router::on(this, &DeploymentPlanRoutes::plan)});
}

Task<http::Response> DeploymentPlanRoutes::plan(const http::Request& request) {
    const DeploymentService::Plan plan = co_await service_.plan(parse_request(request.json()));
    const Deployment& deployment = plan.deployment;
    json::object body{{"name", deployment.name},
                      {"model_id", deployment.model_id.str()},
                      {"model_ref", deployment.model_ref},
                      {"engine", deployment.engine},
                      {"engine_reason", deployment.engine_reason.empty() ? json::value(nullptr)
                                                                         : json::value(deployment.engine_reason)}};
    for (auto& [key, value] : to_json(plan.memory, request.language == http::Language::zh))
        body[key] = std::move(value);
    co_return http::ok(request, std::move(body));
}

}  // namespace llmm::deployments
