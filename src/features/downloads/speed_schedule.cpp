#include "features/downloads/speed_schedule.hpp"

#include "base/text/parse_number.hpp"

#include <algorithm>
#include <ctime>

namespace llmm::downloads {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::chrono::minutes kDay = 24h;

std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

std::optional<std::size_t> parse_day(std::string_view text) {
    const auto found = std::find(kDays.begin(), kDays.end(), text);
    if (found == kDays.end()) return std::nullopt;
    return static_cast<std::size_t>(found - kDays.begin());
}

// Both ends of "a-b"; of "a" alone it is both.
std::pair<std::string_view, std::string_view> ends_of(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return {text, text};
    return {text.substr(0, dash), text.substr(dash + 1)};
}

std::optional<std::array<bool, 7>> parse_days(std::string_view text) {
    std::array<bool, 7> days{};
    if (text == "daily") {
        days.fill(true);
        return days;
    }
    const auto [first, last] = ends_of(text);
    const auto from = parse_day(first), to = parse_day(last);
    if (!from || !to) return std::nullopt;
    for (std::size_t day = *from;; day = (day + 1) % 7) {
        days[day] = true;
        if (day == *to) return days;
    }
}

std::optional<std::chrono::minutes> parse_clock(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    const auto hours = parse_number<unsigned>(text.substr(0, 2)), minutes = parse_number<unsigned>(text.substr(3));
    if (!hours || !minutes || *minutes > 59) return std::nullopt;
    const auto time = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    return time <= kDay ? std::optional<std::chrono::minutes>(time) : std::nullopt;
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
    std::uint64_t unit = 1;
    for (const auto& [letter, size] :
         {std::pair('K', 1'000), std::pair('M', 1'000'000), std::pair('G', 1'000'000'000)}) {
        if (!text.ends_with(letter)) continue;
        unit = static_cast<std::uint64_t>(size);
        text.remove_suffix(1);
        break;
    }
    const auto number = parse_number<std::uint64_t>(text);
    if (!number || *number > kMost / unit) return std::nullopt;
    return *number * unit;
}

}  // namespace

WeekTime week_time(TimePoint moment) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return {(local.tm_wday + 6) % 7, std::chrono::hours(local.tm_hour) + std::chrono::minutes(local.tm_min)};
}

bool SpeedSchedule::Window::holds(WeekTime at) const {
    const auto today = static_cast<std::size_t>(at.weekday);
    if (begin < end) return days[today] && begin <= at.time && at.time < end;
    const std::size_t yesterday = (today + 6) % 7;
    return (days[today] && at.time >= begin) || (days[yesterday] && at.time < end);
}

std::optional<SpeedSchedule::Window> SpeedSchedule::parse(std::string_view text) {
    Window window{.text = std::string(text)};
    const auto days = parse_days(take_word(text));
    const auto times = take_word(text);
    const auto [begin, end] = ends_of(times);
    const auto from = parse_clock(begin), to = parse_clock(end);
    const auto rate = parse_rate(take_word(text));
    // Nothing begins at 24:00, and a window without length says nothing.
    if (!days || !from || !to || !rate || *from == kDay || *from == *to || !take_word(text).empty())
        return std::nullopt;
    window.days = *days;
    window.begin = *from;
    window.end = *to;
    window.limit = *rate;
    return window;
}

const SpeedSchedule::Window* SpeedSchedule::window_at(WeekTime at) const {
    const auto found = std::ranges::find_if(windows_, [at](const Window& window) { return window.holds(at); });
    return found == windows_.end() ? nullptr : &*found;
}

}  // namespace llmm::downloads
