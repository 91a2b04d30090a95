#include "features/downloads/speed_limit.hpp"

#include <algorithm>
#include <cmath>

namespace llmm::downloads {
namespace {

using namespace std::chrono_literals;

constexpr double kGustSeconds = 0.1;  // of the rate that may come at once after a silence
constexpr std::size_t kLargestBuffer = 512 << 10, kSmallestBuffer = 16 << 10;

}  // namespace

void SpeedLimit::set(std::uint64_t bytes_per_second) {
    const std::lock_guard lock(mutex_);
    rate_ = static_cast<double>(bytes_per_second);
    balance_ = 0;
    filled_at_ = Clock::now();
}

std::uint64_t SpeedLimit::get() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint64_t>(rate_);
}

void SpeedLimit::refill(Clock::time_point now) {
    if (now <= filled_at_) return;
    balance_ += rate_ * std::chrono::duration<double>(now - filled_at_).count();
    balance_ = std::min(balance_, rate_ * kGustSeconds);
    filled_at_ = now;
}

void SpeedLimit::take(std::size_t bytes, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (rate_ == 0) return;
    refill(now);
    balance_ -= static_cast<double>(bytes);
}

std::chrono::milliseconds SpeedLimit::wait(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (rate_ == 0) return 0ms;
    refill(now);
    if (balance_ >= 0) return 0ms;
    const auto needed = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(-balance_ / rate_ * 1000)));
    return std::clamp<std::chrono::milliseconds>(needed, 1ms, 200ms);
}

std::size_t buffer_bytes_for(std::uint64_t bytes_per_second) {
    if (bytes_per_second == 0) return kLargestBuffer;
    return std::clamp<std::size_t>(bytes_per_second / 50, kSmallestBuffer, kLargestBuffer);
}

}  // namespace llmm::downloads
