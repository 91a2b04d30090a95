#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm {

// A moment in UTC with the precision that is stored and shown.
using TimePoint = std::chrono::sys_time<std::chrono::milliseconds>;

TimePoint now();
std::int64_t to_epoch_ms(TimePoint time);
TimePoint from_epoch_ms(std::int64_t ms);
std::string to_rfc3339(TimePoint time);  // "2026-01-31T12:00:00.123Z"
// RFC 3339 with Z or an offset, fraction optional.
std::optional<TimePoint> parse_rfc3339(std::string_view text);

}  // namespace llmm
