#pragma once
#include "features/deployments/admissions.hpp"
#include "http/router.hpp"

namespace llmm::gateway {

// How busy the doors of the deployments are.
class QueueRoutes {
  public:
    explicit QueueRoutes(const deployments::Admissions& admissions) : admissions_(admissions) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> list(const http::Request& request);

    const deployments::Admissions& admissions_;
};

}  // namespace llmm::gateway
