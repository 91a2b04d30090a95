#include "base/events/event_bus.hpp"

#include "base/time/time.hpp"

#include <boost/json.hpp>

namespace llmm {
namespace {

namespace json = boost::json;

constexpr std::size_t kRemembered = 1024;  // events kept for listeners that come back
constexpr std::size_t kQueueLimit = 256;   // events a listener may be behind

std::shared_ptr<const Event> make_event(std::uint64_t seq, std::string_view topic, std::string_view type,
                                        json::value data) {
    const json::object body{{"seq", seq}, {"topic", topic}, {"type", type}, {"data", std::move(data)}};
    return std::make_shared<const Event>(Event{seq, std::string(topic), json::serialize(body)});
}

}  // namespace

// The numbers of a run begin where those of an earlier one can't have come to, at the time in milliseconds: who comes
// back after a restart is told to take a snapshot, and not that nothing is missing.
void EventBus::add_topic(std::string topic, Snapshot snapshot) {
    if (last_seq_ == 0) last_seq_ = static_cast<std::uint64_t>(to_epoch_ms(now()));
    snapshots_[std::move(topic)] = std::move(snapshot);
}

std::vector<std::string> EventBus::topics() const {
    std::vector<std::string> names;
    for (const auto& [name, snapshot] : snapshots_)
        names.push_back(name);
    return names;
}

void EventBus::publish(std::string_view topic, std::string_view type, json::value data) {
    auto event = make_event(++last_seq_, topic, type, std::move(data));
    recent_.push_back(event);
    if (recent_.size() > kRemembered) recent_.pop_front();
    deliver(event);
}

void EventBus::deliver(const std::shared_ptr<const Event>& event) {
    for (auto place = subscriptions_.begin(); place != subscriptions_.end();) {
        const auto subscription = place->lock();
        if (!subscription || subscription->lost_) {
            place = subscriptions_.erase(place);
            continue;
        }
        if (subscription->topics_.contains(event->topic)) {
            if (subscription->queue_.size() >= kQueueLimit) {
                subscription->lost_ = true;
                subscription->queue_.clear();
            } else {
                subscription->queue_.push_back(event);
            }
            subscription->changed_.notify();
        }
        ++place;
    }
}

Task<std::shared_ptr<EventBus::Subscription>> EventBus::subscribe(std::set<std::string> topics,
                                                                  std::optional<std::uint64_t> since) {
    std::shared_ptr<Subscription> subscription(new Subscription(executor_, std::move(topics)));
    const std::uint64_t oldest = recent_.empty() ? last_seq_ + 1 : recent_.front()->seq;
    const bool nothing_missing = since && *since <= last_seq_ && *since + 1 >= oldest;
    if (nothing_missing) {
        for (const auto& event : recent_) {
            if (event->seq > *since && subscription->topics_.contains(event->topic))
                subscription->queue_.push_back(event);
        }
        subscriptions_.push_back(subscription);
        co_return subscription;
    }
    // Changes that happen while the snapshots are read queue up behind them; a change that a snapshot already shows
    // carries the same state again and does no harm.
    subscriptions_.push_back(subscription);
    std::deque<std::shared_ptr<const Event>> snapshots;
    for (const std::string& topic : subscription->topics_) {
        const std::uint64_t seq = last_seq_;
        snapshots.push_back(make_event(seq, topic, "snapshot", co_await snapshots_.at(topic)()));
    }
    subscription->queue_.insert(subscription->queue_.begin(), snapshots.begin(), snapshots.end());
    co_return subscription;
}

void EventBus::close() {
    for (const auto& weak : subscriptions_) {
        if (const auto subscription = weak.lock()) {
            subscription->lost_ = true;
            subscription->changed_.notify();
        }
    }
    subscriptions_.clear();
}

Task<std::optional<std::shared_ptr<const Event>>> EventBus::Subscription::next() {
    while (queue_.empty()) {
        if (lost_) co_return std::nullopt;
        co_await changed_.wait();
    }
    auto event = std::move(queue_.front());
    queue_.pop_front();
    co_return event;
}

}  // namespace llmm
