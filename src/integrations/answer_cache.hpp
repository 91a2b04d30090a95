#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/error/error.hpp"

#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/this_coro.hpp>

namespace llmm::hubs {

// Keeps answers for a while and lets callers who ask the same at the same time wait for one request. Errors
// are told to those who waited and are not kept. Used from the event loop only.
template <class Value>
class AnswerCache {
  public:
    AnswerCache(std::size_t max_entries, std::chrono::milliseconds lifetime)
        : max_entries_(max_entries), lifetime_(lifetime) {}

    // `fetch` makes a Task<Value>; it is called when there is no fresh answer and nobody is on the way.
    template <class Fetch>
    Task<Value> get(std::string key, Fetch fetch) {
        for (;;) {
            const auto entry = entries_.find(key);
            if (entry != entries_.end() && Clock::now() < entry->second.expires) co_return *entry->second.value;
            const auto flight = flights_.find(key);
            if (flight == flights_.end()) break;
            const std::shared_ptr<Flight> shared = flight->second;
            co_await shared->landed.wait();
            if (shared->error) std::rethrow_exception(shared->error);
            if (shared->value) co_return *shared->value;
            // Whoever was on the way was cancelled: that is no answer for others.
        }
        const auto flight = std::make_shared<Flight>(co_await asio::this_coro::executor);
        flights_.emplace(key, flight);
        try {
            flight->value = std::make_shared<const Value>(co_await fetch());
            keep(key, flight->value);
        } catch (const Error&) {
            flight->error = std::current_exception();
            land(key, *flight);
            throw;
        } catch (...) {
            land(key, *flight);
            throw;
        }
        land(key, *flight);
        co_return *flight->value;
    }

  private:
    using Clock = std::chrono::steady_clock;
    struct Entry {
        std::shared_ptr<const Value> value;
        Clock::time_point expires;
    };
    struct Flight {
        explicit Flight(asio::any_io_executor executor) : landed(std::move(executor)) {}
        Signal landed;
        std::shared_ptr<const Value> value;
        std::exception_ptr error;
    };

    void land(const std::string& key, Flight& flight) {
        flights_.erase(key);
        flight.landed.notify();
    }

    void keep(const std::string& key, std::shared_ptr<const Value> value) {
        if (lifetime_.count() <= 0) return;
        const auto now = Clock::now();
        std::erase_if(entries_, [&](const auto& entry) { return entry.second.expires <= now; });
        if (entries_.size() >= max_entries_) {
            // One lifetime for all: the first to expire is the oldest.
            entries_.erase(
                std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.expires; }));
        }
        entries_.insert_or_assign(key, Entry{std::move(value), now + lifetime_});
    }

    std::size_t max_entries_;
    std::chrono::milliseconds lifetime_;
    std::map<std::string, Entry> entries_;
    std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace llmm::hubs
