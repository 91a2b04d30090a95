#include "features/downloads/connection_controller.hpp"

#include <algorithm>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr double kWorthwhile = 1.05;  // more connections have to bring that much
constexpr auto kSettle = 250ms;       // new connections open and find their pace
constexpr auto kWindow = 500ms;       // of one measurement
constexpr auto kHold = 5s;            // until more are tried again
constexpr double kCollapsed = 0.2;    // of the plateau
constexpr auto kCollapseTime = 10s;
constexpr auto kRest = 30s;
constexpr int kFew = 2;

}  // namespace

ConnectionController::ConnectionController(Settings settings)
    : settings_(settings), level_(std::clamp(settings.start, 1, settings.most)) {
    change_to(level_);
}

void ConnectionController::set_most(int most) {
    settings_.most = std::max(1, most);
    if (level_ > settings_.most) change_to(settings_.most);
}

void ConnectionController::change_to(int level) {
    level_ = std::clamp(level, 1, settings_.most);
    settle_ = kSettle;
    window_ = 0ms;
    window_bytes_ = 0;
}

void ConnectionController::refused() {
    change_to(level_ / 2);
    mode_ = Mode::holding;
    hold_ = kRest;
    doubling_ = false;
}

void ConnectionController::sample(std::uint64_t bytes, std::chrono::milliseconds time, int in_use) {
    if (time <= 0ms) return;
    if (in_use > 0) watch_for_collapse(static_cast<double>(bytes) * 1000 / static_cast<double>(time.count()), time);
    if (mode_ == Mode::holding) {
        hold_ -= time;
        if (hold_ > 0ms) return;
        mode_ = Mode::measuring;
        change_to(level_);
    }
    if (in_use < level_) return;
    if (settle_ > 0ms) {
        settle_ -= time;
        return;
    }
    window_ += time;
    window_bytes_ += bytes;
    if (window_ < kWindow) return;
    const double speed = static_cast<double>(window_bytes_) * 1000 / static_cast<double>(window_.count());
    window_ = 0ms;
    window_bytes_ = 0;
    judge(speed);
}

void ConnectionController::judge(double speed) {
    if (mode_ == Mode::trying && speed < speed_before_ * kWorthwhile) {
        change_to(level_before_);
        mode_ = Mode::holding;
        hold_ = kHold;
        doubling_ = false;
        return;
    }
    if (level_ >= settings_.most) {
        mode_ = Mode::holding;
        hold_ = kHold;
        return;
    }
    level_before_ = level_;
    speed_before_ = speed;
    mode_ = Mode::trying;
    change_to(doubling_ ? level_ * 2 : level_ + std::max(1, level_ / 4));
}

void ConnectionController::watch_for_collapse(double speed, std::chrono::milliseconds time) {
    // Follows a rise within seconds and a fall within a minute.
    const double seconds = static_cast<double>(time.count()) / 1000;
    plateau_ += (speed - plateau_) * std::min(1.0, seconds / (speed > plateau_ ? 3.0 : 60.0));
    if (speed >= plateau_ * kCollapsed || level_ <= kFew) {
        slow_for_ = 0ms;
        return;
    }
    slow_for_ += time;
    if (slow_for_ < kCollapseTime) return;
    ++collapses_;
    slow_for_ = 0ms;
    plateau_ = speed;
    change_to(kFew);
    mode_ = Mode::holding;
    hold_ = kRest;
    doubling_ = false;
}

}  // namespace llmm::downloads
