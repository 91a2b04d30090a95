#pragma once
#include "features/gateway/body_scan.hpp"
#include "http/dialect.hpp"

#include <chrono>
#include <string_view>

namespace llmm::gateway {

using http::Dialect;

// A kind of request that engines answer themselves.
struct Operation {
    Dialect dialect;
    std::string_view name;    // in the usage: "chat.completions"
    std::string_view target;  // path at the engine
    bool usage_on_request;    // its streams tell the usage only when stream_options asks for it
};

struct GatewayLimits {
    std::chrono::milliseconds queue_wait{300'000};   // for a place at the engine
    std::chrono::milliseconds engine_wait{300'000};  // until an engine that starts is ready
    std::chrono::milliseconds answer_wait{600'000};  // until the engine answers: reading a long prompt takes a while
    std::chrono::milliseconds stall_wait{120'000};   // between two pieces
    std::chrono::milliseconds heartbeat{10'000};     // silence after which a stream says that it lives
    std::size_t max_answer = 256 << 20;              // bytes of an answer that is no stream
};

// What an engine may be sent. Everything else is dropped: some fields reach code of engines that was never meant for
// strangers (slots, context shifting, addresses to call back).
FieldList allowed_fields(std::string_view engine);

}  // namespace llmm::gateway
