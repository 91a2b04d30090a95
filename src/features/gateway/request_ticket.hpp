#pragma once
#include "features/gateway/answer_scan.hpp"
#include "features/usage/usage_ticket.hpp"
#include "http/request.hpp"

#include <string>
#include <string_view>

namespace llmm::gateway {

// The usage of one request in a dialect.
class RequestTicket : public usage::UsageTicket {
  public:
    RequestTicket(usage::UsageRecorder& recorder, const http::Request& request, std::string_view dialect,
                  std::string_view operation)
        : UsageTicket(recorder, {.caller = request.principal ? request.principal->name : std::string(),
                                 .dialect = std::string(dialect),
                                 .operation = std::string(operation)}) {}

    void note(const TokenCounts& tokens) {
        row.tokens_in = tokens.in;
        row.tokens_out = tokens.out;
        row.tokens_cached = tokens.cached;
    }
};

}  // namespace llmm::gateway
