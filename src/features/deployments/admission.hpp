#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::deployments {

// The door of one deployment: so many requests at once as its engine has slots. Who comes when it is full waits, and
// callers take turns, so that one with many requests does not keep the others out. Used from the event loop only.
class Admission : public std::enable_shared_from_this<Admission> {
  public:
    using Clock = std::chrono::steady_clock;

    Admission(asio::any_io_executor executor, std::size_t at_once, std::size_t max_waiting)
        : executor_(std::move(executor)), at_once_(at_once), max_waiting_(max_waiting) {}

    // One place inside, given back when this goes away.
    class Permit {
      public:
        explicit Permit(std::shared_ptr<Admission> door) : door_(std::move(door)), since_(Clock::now()) {}
        Permit(Permit&&) noexcept = default;
        Permit& operator=(Permit&&) = delete;
        ~Permit() {
            if (door_) door_->leave(since_);
        }

      private:
        std::shared_ptr<Admission> door_;
        Clock::time_point since_;
    };

    // At once, or not.
    std::optional<Permit> try_enter();

    struct Wait {
        std::string caller;
        Clock::time_point deadline;
        std::chrono::milliseconds interval;                // between two calls of `told`
        std::function<Task<>(std::size_t position)> told;  // 1: the next one
    };
    // Throws RATE_LIMITED when too many wait already, OVERLOADED when the deadline has passed; both say when to come
    // again.
    Task<Permit> enter(Wait wait);

    void set_at_once(std::size_t count);
    std::size_t at_once() const { return at_once_; }
    bool is_full() const { return waiting_ > 0 || inside_ >= at_once_; }
    std::size_t inside() const { return inside_; }
    std::size_t waiting() const { return waiting_; }

  private:
    class Place;
    struct Line {
        std::string caller;
        std::deque<Place*> places;
    };

    void leave(Clock::time_point since);
    void let_in();
    int seconds_until_place() const;

    asio::any_io_executor executor_;
    std::size_t at_once_;
    const std::size_t max_waiting_;
    std::size_t inside_ = 0, waiting_ = 0;
    std::list<Line> lines_;    // those that wait, the caller whose turn is next in front
    double mean_seconds_ = 1;  // that a request stays inside
};

}  // namespace llmm::deployments
