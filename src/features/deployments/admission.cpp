#include "features/deployments/admission.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <cmath>

namespace llmm::deployments {

// Somebody who waits, for as long as this lives.
class Admission::Place {
  public:
    Place(Admission& door, const std::string& caller) : door_(door), changed_(door.executor_) {
        auto line = std::ranges::find(door_.lines_, caller, &Line::caller);
        if (line == door_.lines_.end()) line = door_.lines_.insert(line, Line{caller, {}});
        line->places.push_back(this);
        ++door_.waiting_;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
        if (granted_) return;
        const auto line = std::ranges::find_if(door_.lines_, [this](const Line& candidate) {
            return std::ranges::find(candidate.places, this) != candidate.places.end();
        });
        std::erase(line->places, this);
        if (line->places.empty()) door_.lines_.erase(line);
        --door_.waiting_;
    }

    // The permit belongs to this place until it is taken: who is cancelled in between gives it back.
    void grant(Permit permit) {
        granted_.emplace(std::move(permit));
        changed_.notify();
    }
    bool granted() const { return granted_.has_value(); }
    Permit take() { return std::move(*granted_); }
    Signal& changed() { return changed_; }

    // How many are let in before and with this one, when nobody leaves the queue.
    std::size_t position() const {
        std::size_t own = 0;
        bool after = false;  // lines behind ours have their turn after us
        std::size_t total = 0;
        for (const Line& line : door_.lines_) {
            const auto place = std::ranges::find(line.places, this);
            if (place != line.places.end()) own = static_cast<std::size_t>(place - line.places.begin()) + 1;
        }
        for (const Line& line : door_.lines_) {
            if (std::ranges::find(line.places, this) != line.places.end()) {
                after = true;
                total += own;
            } else {
                total += std::min(line.places.size(), after ? own - 1 : own);
            }
        }
        return total;
    }

  private:
    Admission& door_;
    Signal changed_;
    std::optional<Permit> granted_;
};

std::optional<Admission::Permit> Admission::try_enter() {
    if (is_full()) return std::nullopt;
    ++inside_;
    return Permit(shared_from_this());
}

Task<Admission::Permit> Admission::enter(Wait wait) {
    if (auto permit = try_enter()) co_return std::move(*permit);
    if (waiting_ >= max_waiting_) {
        throw Error(ErrorCode::rate_limited,
                    Text::format("{} requests wait for this model already", "已有 {} 个请求在等待该模型", waiting_))
            .with_retry_after(seconds_until_place());
    }
    Place place(*this, wait.caller);
    while (!place.granted()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(wait.deadline - Clock::now());
        if (left <= std::chrono::milliseconds(0)) {
            throw Error(ErrorCode::overloaded,
                        Text{"no slot of this model became free in time", "未能及时等到该模型的空闲槽位"})
                .with_retry_after(seconds_until_place());
        }
        co_await place.changed().wait_for(std::min(left, wait.interval));
        if (!place.granted() && wait.told) co_await wait.told(place.position());
    }
    co_return place.take();
}

void Admission::set_at_once(std::size_t count) {
    at_once_ = std::max<std::size_t>(count, 1);
    let_in();
}

void Admission::leave(Clock::time_point since) {
    --inside_;
    constexpr double kWeight = 0.1;
    mean_seconds_ += kWeight * (std::chrono::duration<double>(Clock::now() - since).count() - mean_seconds_);
    let_in();
}

void Admission::let_in() {
    while (inside_ < at_once_ && !lines_.empty()) {
        Line& line = lines_.front();
        Place& place = *line.places.front();
        line.places.pop_front();
        --waiting_;
        ++inside_;
        if (line.places.empty()) {
            lines_.pop_front();
        } else {
            lines_.splice(lines_.end(), lines_, lines_.begin());
        }
        place.grant(Permit(shared_from_this()));
    }
}

int Admission::seconds_until_place() const {
    const double seconds = mean_seconds_ * static_cast<double>(waiting_ + 1) / static_cast<double>(at_once_);
    return static_cast<int>(std::clamp(std::ceil(seconds), 1.0, 60.0));
}

}  // namespace llmm::deployments
