#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::app::cli {

std::string format_bytes(std::int64_t bytes);       // "806.1 MB", in powers of 1000
std::string format_speed(double bytes_per_second);  // "52.4 MB/s"
std::string format_duration(std::int64_t seconds);  // "8s", "3m 20s", "2h 5m", "4d 1h"
std::string format_count(std::int64_t count);       // "186k", "1.2M"
// Seconds since a time such as 2026-01-31T12:00:00.000Z; nullopt for another form, never below 0.
std::optional<std::int64_t> seconds_since(std::string_view rfc3339, std::chrono::system_clock::time_point now);

// Columns on a terminal: East Asian wide characters take two, combining ones none (the common ranges).
std::size_t display_width(std::string_view utf8);
// Cuts to `width` columns, ending in "…" when something is lost.
std::string shorten(std::string_view utf8, std::size_t width);
std::string pad_right(std::string text, std::size_t width);
std::string pad_left(std::string text, std::size_t width);

// Without control characters, which a terminal would obey: what hubs, models and logs say is not to be
// trusted. Line feed and tab stay when `keep_lines`, else they become spaces.
std::string printable(std::string_view utf8, bool keep_lines = false);

}  // namespace llmm::app::cli
