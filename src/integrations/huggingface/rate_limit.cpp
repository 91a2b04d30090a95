#include "integrations/huggingface/rate_limit.hpp"

#include <algorithm>
#include <charconv>

namespace llmm::hubs::huggingface {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Nothing that the hub does lasts longer; a larger number is a mistake or malice.
constexpr std::int64_t kMaxSeconds = 24 * 3600;
// A refusal that names no time: long enough to matter, short enough to try again.
constexpr seconds kUnknownWait{10};
// The hub counts whole seconds; its own client waits one more, too.
constexpr seconds kMargin{1};

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.push_back(trim(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return parts;
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

std::optional<RequestClass> class_named(std::string_view quoted) {
    if (quoted == "\"api\"") return RequestClass::api;
    if (quoted == "\"resolvers\"") return RequestClass::resolvers;
    return std::nullopt;
}

// One item: the class among its quoted names, and two numbers by their letters.
struct Item {
    std::optional<RequestClass> request_class;
    std::optional<std::int64_t> first, second;
};

Item parse_item(std::string_view text, std::string_view first, std::string_view second) {
    Item item;
    for (const std::string_view part : split(text, ';')) {
        if (part.starts_with('"')) {
            if (const auto found = class_named(part)) item.request_class = found;
        } else if (part.starts_with(first)) {
            item.first = number(part.substr(first.size()));
        } else if (part.starts_with(second)) {
            item.second = number(part.substr(second.size()));
        }
    }
    return item;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form of RFC 9110 that is still sent.
std::optional<TimePoint> parse_http_date(std::string_view text) {
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.size() != 29 || text[3] != ',' || !text.ends_with(" GMT")) return std::nullopt;
    const auto month = kMonths.find(text.substr(8, 3));
    const auto day = number(text.substr(5, 2)), year = number(text.substr(12, 4));
    const auto hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)),
               second = number(text.substr(23, 2));
    if (month == std::string_view::npos || month % 3 != 0 || !day || !year || !hour || !minute || !second)
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second);
}

}  // namespace

std::vector<RateWindow> parse_rate_limit(std::string_view header) {
    std::vector<RateWindow> windows;
    for (const std::string_view text : split(header, ',')) {
        const Item item = parse_item(text, "r=", "t=");
        if (!item.request_class || !item.first || !item.second) continue;
        windows.push_back({*item.request_class, *item.first, seconds(std::min(*item.second, kMaxSeconds))});
    }
    return windows;
}

std::vector<RatePolicy> parse_rate_policy(std::string_view header) {
    std::vector<RatePolicy> policies;
    for (const std::string_view text : split(header, ',')) {
        const Item item = parse_item(text, "q=", "w=");
        if (item.request_class && item.first) policies.push_back({*item.request_class, *item.first});
    }
    return policies;
}

std::optional<seconds> parse_retry_after(std::string_view header, TimePoint now) {
    const std::string_view text = trim(header);
    if (const auto value = number(text)) return seconds(std::min(*value, kMaxSeconds));
    const auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    return std::clamp(std::chrono::ceil<seconds>(*date - now), seconds(0), seconds(kMaxSeconds));
}

milliseconds RateLimits::take(RequestClass request_class, Clock::time_point now) {
    Window& window = of(request_class);
    if (!window.remaining) return milliseconds(0);
    if (now >= window.reset) window.remaining = window.quota;
    if (!window.remaining) return milliseconds(0);
    if (*window.remaining > 0 || now >= window.reset) {
        window.remaining = std::max<std::int64_t>(0, *window.remaining - 1);
        return milliseconds(0);
    }
    return std::chrono::ceil<milliseconds>(window.reset - now);
}

void RateLimits::observe(const HttpHeaders& headers, Clock::time_point now) {
    if (const auto header = find_header(headers, "RateLimit-Policy")) {
        for (const RatePolicy& policy : parse_rate_policy(*header))
            of(policy.request_class).quota = policy.quota;
    }
    const auto header = find_header(headers, "RateLimit");
    if (!header) return;
    for (const RateWindow& seen : parse_rate_limit(*header)) {
        Window& window = of(seen.request_class);
        window.remaining = seen.remaining;
        window.reset = now + seen.until_reset + kMargin;
    }
}

milliseconds RateLimits::refuse(RequestClass request_class, const HttpHeaders& headers, Clock::time_point now,
                                TimePoint wall_now) {
    observe(headers, now);
    Window& window = of(request_class);
    const bool told = window.remaining && *window.remaining == 0 && window.reset > now;
    if (!told) {
        const auto header = find_header(headers, "Retry-After");
        window.reset = now + (header ? parse_retry_after(*header, wall_now) : std::nullopt).value_or(kUnknownWait);
    }
    window.remaining = 0;
    return std::chrono::ceil<milliseconds>(window.reset - now);
}

}  // namespace llmm::hubs::huggingface
