#include "base/time/time.hpp"

#include <charconv>

#include <fmt/format.h>

namespace llmm {

using namespace std::chrono;

TimePoint now() {
    return floor<milliseconds>(system_clock::now());
}
std::int64_t to_epoch_ms(TimePoint time) {
    return time.time_since_epoch().count();
}
TimePoint from_epoch_ms(std::int64_t ms) {
    return TimePoint{milliseconds{ms}};
}

std::string to_rfc3339(TimePoint time) {
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss<milliseconds> clock{time - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

namespace {

// Reads exactly `digits` decimal digits at `position` and moves it on.
std::optional<int> read_number(std::string_view text, std::size_t& position, std::size_t digits) {
    if (position + digits > text.size()) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const char c = text[position + i];
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    position += digits;
    return value;
}

bool skip(std::string_view text, std::size_t& position, char expected) {
    if (position >= text.size() || text[position] != expected) return false;
    ++position;
    return true;
}

}  // namespace

std::optional<TimePoint> parse_rfc3339(std::string_view text) {
    std::size_t at = 0;
    const auto y = read_number(text, at, 4);
    if (!y || !skip(text, at, '-')) return std::nullopt;
    const auto mo = read_number(text, at, 2);
    if (!mo || !skip(text, at, '-')) return std::nullopt;
    const auto d = read_number(text, at, 2);
    if (!d || !skip(text, at, 'T')) return std::nullopt;
    const auto h = read_number(text, at, 2);
    if (!h || !skip(text, at, ':')) return std::nullopt;
    const auto mi = read_number(text, at, 2);
    if (!mi || !skip(text, at, ':')) return std::nullopt;
    const auto s = read_number(text, at, 2);
    if (!s) return std::nullopt;
    int ms = 0;
    if (skip(text, at, '.')) {
        int scale = 100;
        const std::size_t first = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
            ms += (text[at] - '0') * scale;
            scale /= 10;
            ++at;
        }
        if (at == first) return std::nullopt;
    }
    minutes offset{0};
    if (!skip(text, at, 'Z')) {
        const bool minus = skip(text, at, '-');
        if (!minus && !skip(text, at, '+')) return std::nullopt;
        const auto oh = read_number(text, at, 2);
        if (!oh || !skip(text, at, ':')) return std::nullopt;
        const auto om = read_number(text, at, 2);
        if (!om) return std::nullopt;
        offset = hours{*oh} + minutes{*om};
        if (minus) offset = -offset;
    }
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
    if (at != text.size() || !date.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
    return TimePoint{sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{ms} - offset};
}

}  // namespace llmm
