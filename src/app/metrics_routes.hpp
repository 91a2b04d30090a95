#pragma once
#include "app/metrics_store.hpp"
#include "base/metrics/metrics.hpp"
#include "features/deployments/deployment_metrics.hpp"
#include "features/system/system_service.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"

namespace llmm::app {

// GET /metrics: everything that a monitoring system may want to know, in Prometheus' text format.
class MetricsRoutes {
  public:
    MetricsRoutes(const MetricRegistry& counted, MetricsStore store, system::SystemService& system,
                  deployments::MetricsReader& engines)
        : counted_(counted), store_(store), system_(system), engines_(engines) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> metrics(const http::Request& request);
    Task<std::vector<MetricReading>> readings();

    const MetricRegistry& counted_;
    MetricsStore store_;
    system::SystemService& system_;
    deployments::MetricsReader& engines_;
};

// Counts what the door answers. The operation is that of the route, so that no path of a stranger becomes a label.
class RequestMetrics final : public http::RequestObserver {
  public:
    RequestMetrics(MetricRegistry& registry, const http::Router& router) : registry_(registry), router_(router) {}
    void finished(const http::Request& request, int status, std::uint64_t bytes, double milliseconds) override;

  private:
    MetricRegistry& registry_;
    const http::Router& router_;
};

}  // namespace llmm::app
