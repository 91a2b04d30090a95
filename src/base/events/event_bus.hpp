#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace llmm {

struct Event {
    std::uint64_t seq = 0;
    std::string topic;
    std::string text;  // {"seq":…,"topic":…,"type":…,"data":…}
};

// Tells whoever listens what has happened. Telling never makes anything happen: required next steps are calls.
// Numbers are one sequence for all topics. Used from the event loop only.
class EventBus {
  public:
    explicit EventBus(asio::any_io_executor executor) : executor_(executor) {}

    // The state of a topic that a new listener begins with.
    using Snapshot = std::function<Task<boost::json::value>()>;
    void add_topic(std::string topic, Snapshot snapshot);
    bool has_topic(std::string_view topic) const { return snapshots_.contains(std::string(topic)); }
    std::vector<std::string> topics() const;

    void publish(std::string_view topic, std::string_view type, boost::json::value data);

    // A listener's queue. When it is full the listener is too slow: it is dropped, and is_lost() says so.
    class Subscription {
      public:
        // The next event; nullopt when the listener was dropped.
        Task<std::optional<std::shared_ptr<const Event>>> next();

      private:
        friend class EventBus;
        Subscription(asio::any_io_executor executor, std::set<std::string> topics)
            : topics_(std::move(topics)), changed_(executor) {}
        std::set<std::string> topics_;
        std::deque<std::shared_ptr<const Event>> queue_;
        bool lost_ = false;
        Signal changed_;
    };

    // Starts with what the listener missed since `since`, or with a snapshot of each topic when it is new or was away
    // for too long.
    Task<std::shared_ptr<Subscription>> subscribe(std::set<std::string> topics, std::optional<std::uint64_t> since);
    // Ends every subscription; for the shutdown.
    void close();

  private:
    void deliver(const std::shared_ptr<const Event>& event);

    asio::any_io_executor executor_;
    std::uint64_t last_seq_ = 0;
    std::deque<std::shared_ptr<const Event>> recent_;
    std::map<std::string, Snapshot> snapshots_;
    std::list<std::weak_ptr<Subscription>> subscriptions_;
};

}  // namespace llmm
