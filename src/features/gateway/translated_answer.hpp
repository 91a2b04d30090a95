#pragma once
#include "features/gateway/answer_scan.hpp"
#include "features/gateway/gateway_service.hpp"
#include "features/gateway/translation.hpp"

#include <functional>
#include <string>

// What the dialects that are translated have in common on the way to an engine and back. Event loop only; all throw as
// GatewayService does, and what the engine refuses as VALIDATION_FAILED (its 400) or ENGINE_FAILED in its own words.
namespace llmm::gateway {

Task<UpstreamResponse> ask_translated(GatewayService& gateway, Seat& seat, const Translated& asked,
                                      GatewayService::Tell tell);

// The whole answer; its tokens are noted in the ticket.
struct WholeAnswer {
    std::string body;
    TokenCounts tokens;
};
Task<WholeAnswer> read_whole(GatewayService& gateway, UpstreamResponse response, RequestTicket& ticket);

// Passes on what `in_dialect` makes of each event, as it comes. The exchange has begun. Returns the tokens when the
// engine has said that it is done.
Task<TokenCounts> pass_translated(UpstreamResponse response, http::Exchange& exchange, RequestTicket& ticket,
                                  std::function<std::string(const Delta&)> in_dialect);

}  // namespace llmm::gateway
