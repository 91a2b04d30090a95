#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::engines {

// One line of Prometheus' text format.
struct Sample {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;  // may be infinite or not a number
    friend bool operator==(const Sample&, const Sample&) = default;
};

inline constexpr std::size_t kMostExpositionBytes = 4 << 20;
inline constexpr std::size_t kMostSamples = 50'000;
inline constexpr std::size_t kMostLabels = 64;

// What engines answer at /metrics. Lines that break the format are left out, as a monitoring system would rather lose
// one number than all; a text beyond the bounds is cut off.
std::vector<Sample> parse_exposition(std::string_view text);

}  // namespace llmm::engines
