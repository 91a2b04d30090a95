#include "app/cli/format.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace llmm::app::cli {
namespace {

struct Range {
    char32_t first, last;
};

// Unicode East_Asian_Width W and F, in rough blocks.
constexpr std::array kWide = {Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
                              Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
                              Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
                              Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};
constexpr std::array kZero = {Range{0x0300, 0x036F}, Range{0x200B, 0x200F}, Range{0x20D0, 0x20FF},
                              Range{0xFE00, 0xFE0F}};
// Turn the direction of what follows, so that text can look like other text.
constexpr std::array kDirections = {Range{0x200E, 0x200F}, Range{0x202A, 0x202E}, Range{0x2066, 0x2069}};

template <std::size_t N>
bool is_in(char32_t point, const std::array<Range, N>& ranges) {
    for (const Range& range : ranges) {
        if (point >= range.first && point <= range.last) return true;
    }
    return false;
}

struct CodePoint {
    char32_t value;
    std::size_t length;
};

// A byte that begins no character stands for U+FFFD.
CodePoint decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return {0xFFFD, 1};
    char32_t value = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {0xFFFD, 1};
        value = (value << 6) | (byte(i) & 0x3FU);
    }
    return {value, length};
}

std::size_t width_of(char32_t point) {
    if (is_in(point, kZero)) return 0;
    return is_in(point, kWide) ? 2 : 1;
}

std::string scaled(double value, const std::array<std::string_view, 6>& units) {
    std::size_t unit = 0;
    // 999.95 would be written as 1000.0.
    while (value >= 999.95 && unit + 1 < units.size()) {
        value /= 1000;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f}{}", value, units[0]) : fmt::format("{:.1f}{}", value, units[unit]);
}

}  // namespace

std::string format_bytes(std::int64_t bytes) {
    return scaled(static_cast<double>(bytes), {" B", " kB", " MB", " GB", " TB", " PB"});
}

std::string format_speed(double bytes_per_second) {
    return format_bytes(std::llround(bytes_per_second)) + "/s";
}

std::string format_count(std::int64_t count) {
    return scaled(static_cast<double>(count), {"", "k", "M", "G", "T", "P"});
}

std::string format_duration(std::int64_t seconds) {
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
    if (seconds < 86'400) return fmt::format("{}h {}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d {}h", seconds / 86'400, seconds / 3600 % 24);
}

std::optional<std::int64_t> seconds_since(std::string_view rfc3339, std::chrono::system_clock::time_point now) {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    const std::string text(rfc3339);
    if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6) {
        return std::nullopt;
    }
    using namespace std::chrono;
    const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                              std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return std::nullopt;
    const auto then = sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
    return std::max<std::int64_t>(0, duration_cast<seconds>(now - then).count());
}

std::size_t display_width(std::string_view utf8) {
    std::size_t width = 0;
    while (!utf8.empty()) {
        const CodePoint point = decode(utf8);
        width += width_of(point.value);
        utf8.remove_prefix(point.length);
    }
    return width;
}

std::string shorten(std::string_view utf8, std::size_t width) {
    if (display_width(utf8) <= width) return std::string(utf8);
    if (width == 0) return "";
    std::string kept;
    std::size_t used = 0;
    while (true) {
        const CodePoint point = decode(utf8);
        used += width_of(point.value);
        if (used > width - 1) return kept + "…";
        kept += utf8.substr(0, point.length);
        utf8.remove_prefix(point.length);
    }
}

std::string pad_right(std::string text, std::size_t width) {
    const std::size_t used = display_width(text);
    if (used < width) text.append(width - used, ' ');
    return text;
}

std::string pad_left(std::string text, std::size_t width) {
    const std::size_t used = display_width(text);
    if (used < width) text.insert(0, width - used, ' ');
    return text;
}

std::string printable(std::string_view utf8, bool keep_lines) {
    std::string kept;
    kept.reserve(utf8.size());
    while (!utf8.empty()) {
        const CodePoint point = decode(utf8);
        const bool is_space = point.value == '\n' || point.value == '\t';
        if (is_space) {
            kept += keep_lines ? utf8[0] : ' ';
        } else if (point.value == 0xFFFD) {
            kept += "\uFFFD";
        } else if (point.value >= 0x20 && (point.value < 0x7F || point.value > 0x9F) &&
                   !is_in(point.value, kDirections)) {
            kept += utf8.substr(0, point.length);
        }
        utf8.remove_prefix(point.length);
    }
    return kept;
}

}  // namespace llmm::app::cli
