#pragma once
#include "features/gateway/gateway_service.hpp"
#include "http/router.hpp"

#include <set>

namespace llmm::gateway {

// Anthropic's Messages API: passed to engines that speak it, translated for those that do not.
class AnthropicRoutes {
  public:
    explicit AnthropicRoutes(GatewayService& gateway) : gateway_(gateway) {}
    void add_to(http::Router& router);

  private:
    Task<> messages(http::Request& request, http::Exchange& exchange);
    Task<> count_tokens(http::Request& request, http::Exchange& exchange);

    struct Talk;
    Task<bool> speaks_it(http::Request& request);
    Task<> translate(http::Request& request, http::Exchange& exchange);
    Task<> converse(Talk& talk);

    GatewayService& gateway_;
};

}  // namespace llmm::gateway
