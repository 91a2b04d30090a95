#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace llmm::downloads {

// A token bucket that all connections of a download, or of the program, share. What was read is taken afterwards, so
// the bucket goes into debt, and nobody reads before the debt is paid. For any thread.
class SpeedLimit {
  public:
    using Clock = std::chrono::steady_clock;

    explicit SpeedLimit(std::uint64_t bytes_per_second = 0) { set(bytes_per_second); }
    void set(std::uint64_t bytes_per_second);  // 0: no limit
    std::uint64_t get() const;

    void take(std::size_t bytes, Clock::time_point now);
    // How long to wait before reading on; zero: not at all. Never long, for the limit may change meanwhile.
    std::chrono::milliseconds wait(Clock::time_point now);

  private:
    void refill(Clock::time_point now);

    mutable std::mutex mutex_;
    double rate_ = 0;     // bytes/s
    double balance_ = 0;  // bytes; negative: debt
    Clock::time_point filled_at_{};
};

// What a connection should get at once: small when the limit is, so that bytes flow and don't come in gusts.
std::size_t buffer_bytes_for(std::uint64_t bytes_per_second);

}  // namespace llmm::downloads
