#include "integrations/huggingface/links.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <charconv>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::size_t kMaxCursorLength = 2048;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// Still percent-encoded.
std::optional<std::string_view> query_value(const Url& url, std::string_view name) {
    const std::string_view query = url.query();
    for (std::size_t begin = 0; begin < query.size();) {
        const std::size_t end = std::min(query.find('&', begin), query.size());
        const std::string_view pair = query.substr(begin, end - begin);
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (equals_ignoring_case(pair.substr(0, equals), name)) return pair.substr(std::min(equals + 1, pair.size()));
        begin = end + 1;
    }
    return std::nullopt;
}

// The target of `<url>; rel="next"` among links separated by commas. A comma inside <> belongs to the URL.
std::optional<std::string_view> next_target(std::string_view header) {
    for (std::size_t at = header.find('<'); at != std::string_view::npos; at = header.find('<', at)) {
        const std::size_t close = header.find('>', at);
        if (close == std::string_view::npos) return std::nullopt;
        const std::size_t end = std::min(header.find('<', close), header.size());
        const std::string_view parameters = header.substr(close + 1, end - close - 1);
        if (parameters.contains("rel=\"next\"") || parameters.contains("rel=next"))
            return header.substr(at + 1, close - at - 1);
        at = end;
    }
    return std::nullopt;
}

std::optional<std::int64_t> number(std::optional<std::string_view> text) {
    std::int64_t value = 0;
    if (!text || text->empty()) return std::nullopt;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value < 0) return std::nullopt;
    return value;
}

[[noreturn]] void bad_link(std::string_view en, std::string_view zh) {
    throw Error(ErrorCode::hub_bad_response, {fmt::format("the hub's link to the next page can't be used: {}", en),
                                              fmt::format("hub 的下一页链接无法使用：{}", zh)});
}

}  // namespace

std::string next_cursor(const Url& page, const HttpHeaders& headers) {
    std::optional<std::string_view> target;
    for (const HttpHeader& header : headers) {
        if (!target && equals_ignoring_case(header.name, "Link")) target = next_target(header.value);
    }
    if (!target) return {};
    const auto url = page.resolve(*target);
    if (!url) bad_link("it is not a URL", "不是 URL");
    if (!url->same_origin(page)) bad_link("it leads to " + url->origin(), "指向 " + url->origin());
    if (url->path() != page.path()) bad_link("it leads to another list", "指向另一个列表");
    const auto encoded = query_value(*url, "cursor");
    const auto cursor = encoded ? percent_decode(*encoded) : std::nullopt;
    if (!cursor || cursor->empty() || cursor->size() > kMaxCursorLength) bad_link("it has no cursor", "没有 cursor");
    return *cursor;
}

std::optional<TimePoint> expiry_of(const Url& url) {
    constexpr std::int64_t kMaxEpoch = 253'402'300'799;  // the end of year 9999
    if (const auto expires = number(query_value(url, "Expires")); expires && *expires <= kMaxEpoch) {
        return from_epoch_ms(*expires * 1000);
    }
    const auto date = query_value(url, "X-Amz-Date");  // 20260131T120000Z
    const auto lifetime = number(query_value(url, "X-Amz-Expires"));
    if (!date || date->size() != 16 || !lifetime || *lifetime > kMaxEpoch) return std::nullopt;
    const auto part = [&](std::size_t at, std::size_t length) { return date->substr(at, length); };
    const auto start = parse_rfc3339(
        fmt::format("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 2), part(6, 2), part(9, 2), part(11, 2), part(13, 2)));
    if (!start) return std::nullopt;
    return *start + std::chrono::seconds(*lifetime);
}

}  // namespace llmm::hubs::huggingface
