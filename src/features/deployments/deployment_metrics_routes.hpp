#pragma once
#include "features/deployments/deployment_metrics.hpp"
#include "http/router.hpp"

namespace llmm::deployments {

class DeploymentService;

// GET /api/v1/deployments/{id}/metrics.
class DeploymentMetricsRoutes {
  public:
    DeploymentMetricsRoutes(DeploymentService& service, MetricsReader& reader) : service_(service), reader_(reader) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> metrics(const http::Request& request);

    DeploymentService& service_;
    MetricsReader& reader_;
};

}  // namespace llmm::deployments
