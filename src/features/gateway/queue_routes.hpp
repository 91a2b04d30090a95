#pragma once
#include "features/gateway/model_directory.hpp"
#include "http/router.hpp"

namespace llmm::gateway {

// How busy the doors of the deployments are.
class QueueRoutes {
  public:
    explicit QueueRoutes(const ModelDirectory& directory) : directory_(directory) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> list(const http::Request& request);

    const ModelDirectory& directory_;
};

}  // namespace llmm::gateway
