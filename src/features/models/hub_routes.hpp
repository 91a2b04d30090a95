#pragma once
#include "features/models/hub_service.hpp"
#include "http/router.hpp"

namespace llmm::models {

class HubRoutes {
  public:
    // memory_bytes: what this machine could give a model, when known.
    HubRoutes(HubService& hubs, std::optional<std::uint64_t> memory_bytes) : hubs_(hubs), memory_bytes_(memory_bytes) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> search(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> categories(const http::Request& request);

    HubService& hubs_;
    std::optional<std::uint64_t> memory_bytes_;
};

}  // namespace llmm::models
