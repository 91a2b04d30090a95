#pragma once
#include "base/events/event_bus.hpp"
#include "http/router.hpp"

#include <set>
#include <string>

namespace llmm::http {

// The WebSockets that tell of changes: a snapshot of each topic, then numbered events.
class EventRoutes {
  public:
    explicit EventRoutes(EventBus& events) : events_(events) {}
    void add_to(Router& router);

  private:
    Task<> watch_topics(const Request& request, WebSocket& socket);
    Task<> watch_downloads(const Request& request, WebSocket& socket);
    Task<> watch(std::set<std::string> topics, std::optional<std::uint64_t> since, WebSocket& socket);
    Task<> forward(EventBus::Subscription& subscription, WebSocket& socket);

    EventBus& events_;
};

}  // namespace llmm::http
