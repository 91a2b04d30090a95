#pragma once
#include "base/net/http_client.hpp"
#include "base/time/time.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace llmm::hubs::huggingface {

// The hub counts requests in fixed windows, one for each class.
enum class RequestClass { api, resolvers };

// `"resolvers";r=2998;t=172` of a RateLimit header.
struct RateWindow {
    RequestClass request_class;
    std::int64_t remaining;
    std::chrono::seconds until_reset;
};
// Items of other classes and malformed ones are left out.
std::vector<RateWindow> parse_rate_limit(std::string_view header);

// `"fixed window";"resolvers";q=3000;w=300` of a RateLimit-Policy header: requests a window.
struct RatePolicy {
    RequestClass request_class;
    std::int64_t quota;
};
std::vector<RatePolicy> parse_rate_policy(std::string_view header);

// Seconds or an HTTP date; a moment in the past is zero seconds.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view header, TimePoint now);

// What the hub said about this client's quota. A request takes from it before it is sent, so that many at
// once don't run into a refusal together. Used from one thread.
class RateLimits {
  public:
    using Clock = std::chrono::steady_clock;

    // Takes one request from the window: zero when it may go now, else how long to wait before asking again.
    std::chrono::milliseconds take(RequestClass request_class, Clock::time_point now);
    // Learns from any answer's headers.
    void observe(const HttpHeaders& headers, Clock::time_point now);
    // Learns from a 429, which means an empty window even when the headers don't tell of it. Returns how long
    // it lasts.
    std::chrono::milliseconds refuse(RequestClass request_class, const HttpHeaders& headers, Clock::time_point now,
                                     TimePoint wall_now);

  private:
    struct Window {
        std::optional<std::int64_t> remaining;  // unknown: unlimited
        std::optional<std::int64_t> quota;
        Clock::time_point reset{};
    };
    Window& of(RequestClass request_class) { return windows_[static_cast<std::size_t>(request_class)]; }

    std::array<Window, 2> windows_;
};

}  // namespace llmm::hubs::huggingface
