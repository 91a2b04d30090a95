#pragma once
#include "features/deployments/deployment_service.hpp"
#include "http/router.hpp"

namespace llmm::deployments {

// POST /api/v1/deployments/plan.
class DeploymentPlanRoutes {
  public:
    explicit DeploymentPlanRoutes(DeploymentService& service) : service_(service) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> plan(const http::Request& request);

    DeploymentService& service_;
};

}  // namespace llmm::deployments
