#pragma once
#include "base/time/time.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::downloads {

// A moment of the week as a wall clock shows it.
struct WeekTime {
    int weekday = 0;  // 0: Monday
    std::chrono::minutes time{0};
};
WeekTime week_time(TimePoint moment);  // on this machine's clock

// Limits at times of the week: windows, of which the first that fits holds. Pure logic.
class SpeedSchedule {
  public:
    struct Window {
        std::string text;            // as it was written
        std::array<bool, 7> days{};  // on which it begins
        std::chrono::minutes begin{0}, end{0};
        std::uint64_t limit = 0;  // bytes/s; 0: none
        bool holds(WeekTime at) const;
    };
    // "mon-fri 08:00-18:00 5M": days (also "sat", "fri-mon", "daily"), from when to when (past midnight, too), and
    // bytes a second (K, M and G are powers of 1000). nullopt: not of that form.
    static std::optional<Window> parse(std::string_view text);

    explicit SpeedSchedule(std::vector<Window> windows = {}) : windows_(std::move(windows)) {}

    // nullptr: none holds then.
    const Window* window_at(WeekTime at) const;
    const std::vector<Window>& windows() const { return windows_; }

  private:
    std::vector<Window> windows_;
};

// What holds for all downloads together.
struct OverallLimit {
    std::uint64_t now = 0;        // bytes/s; 0: none
    std::uint64_t otherwise = 0;  // outside of all windows
    std::string window;           // the one that holds now; empty: none
    std::vector<std::string> schedule;
};

}  // namespace llmm::downloads
