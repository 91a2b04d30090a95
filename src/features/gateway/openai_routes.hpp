#pragma once
#include "features/gateway/gateway_service.hpp"
#include "http/router.hpp"

namespace llmm::gateway {

// OpenAI's API and, where engines have it, Anthropic's: requests go to the engine as they are.
class OpenAiRoutes {
  public:
    OpenAiRoutes(GatewayService& gateway, ModelDirectory& directory, AliasStore& aliases)
        : gateway_(gateway), directory_(directory), aliases_(aliases) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> list_models(const http::Request& request);
    Task<http::Response> show_model(const http::Request& request);

    Task<ModelDirectory::TargetPtr> find(std::string alias);

    GatewayService& gateway_;
    ModelDirectory& directory_;
    AliasStore& aliases_;
};

}  // namespace llmm::gateway
