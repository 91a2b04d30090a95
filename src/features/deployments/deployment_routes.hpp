#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/events/event_bus.hpp"
#include "features/deployments/deployment_service.hpp"
#include "http/router.hpp"

namespace llmm::deployments {

// /api/v1/deployments and /api/v1/engines.
class DeploymentRoutes {
  public:
    DeploymentRoutes(DeploymentService& service, BlockingPool& files) : service_(service), files_(files) {}

    void add_to(http::Router& router);
    // What new listeners of the topic "deployments" begin with.
    void add_topic(EventBus& events);

  private:
    Task<http::Response> create(const http::Request& request);
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> get(const http::Request& request);
    Task<http::Response> update(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);
    Task<http::Response> start(const http::Request& request);
    Task<http::Response> stop(const http::Request& request);
    Task<http::Response> restart(const http::Request& request);
    Task<http::Response> events(const http::Request& request);
    Task<http::Response> logs(const http::Request& request);
    Task<http::Response> engines(const http::Request& request);
    Task<boost::json::value> snapshot();

    DeploymentService& service_;
    BlockingPool& files_;
};

}  // namespace llmm::deployments
