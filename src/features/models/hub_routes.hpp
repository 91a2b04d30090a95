#pragma once
#include "features/models/hub_service.hpp"
#include "http/router.hpp"

namespace llmm::models {

class HubRoutes {
  public:
    HubRoutes(HubService& hubs, FitCheck fit) : hubs_(hubs), fit_(std::move(fit)) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> search(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> categories(const http::Request& request);

    HubService& hubs_;
    FitCheck fit_;
};

}  // namespace llmm::models
