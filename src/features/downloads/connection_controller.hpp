#pragma once
#include <chrono>
#include <cstdint>

namespace llmm::downloads {

// How many connections to one source are worth having. More of them are tried, by doubling and later by quarters, and
// kept only when they bring more bytes; when the speed collapses, few are left and the source gets a rest. Pure logic:
// it is told of time and bytes.
class ConnectionController {
  public:
    struct Settings {
        int start = 4;
        int most = 16;
    };
    explicit ConnectionController(Settings settings);

    int target() const { return level_; }
    void set_most(int most);
    // What came in since the last call. in_use: connections that were busy all the while; with fewer than the target
    // the speed says nothing about the target.
    void sample(std::uint64_t bytes, std::chrono::milliseconds time, int in_use);
    // The source asked for less.
    void refused();
    int collapses() const { return collapses_; }

  private:
    enum class Mode { measuring, trying, holding };
    void change_to(int level);
    void judge(double speed);
    void watch_for_collapse(double speed, std::chrono::milliseconds time);

    Settings settings_;
    int level_;
    Mode mode_ = Mode::measuring;
    int level_before_ = 0;
    double speed_before_ = 0;  // bytes/s, at level_before_
    bool doubling_ = true;
    std::chrono::milliseconds settle_{}, hold_{}, window_{}, slow_for_{};
    std::uint64_t window_bytes_ = 0;
    double plateau_ = 0;  // bytes/s that were held for a while
    int collapses_ = 0;
};

}  // namespace llmm::downloads
