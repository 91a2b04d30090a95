#pragma once
#include "base/async/task.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::http {

// An accepted WebSocket. One reader and one writer at a time. Every call throws when the peer is gone.
class WebSocket {
  public:
    virtual ~WebSocket() = default;
    // The next text message; nullopt after an orderly close.
    virtual Task<std::optional<std::string>> receive() = 0;
    virtual Task<> send(std::string_view text) = 0;
    virtual Task<> close(std::uint16_t code, std::string_view reason) = 0;
};

// Close codes of RFC 6455 7.4.1 that we send.
inline constexpr std::uint16_t kCloseNormal = 1000, kCloseGoingAway = 1001, kClosePolicy = 1008, kCloseTryAgain = 1013;

}  // namespace llmm::http
