#include "features/downloads/range_response.hpp"

#include <charconv>

namespace llmm::downloads {
namespace {

bool read_number(std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size() && !digits.empty();
}

std::optional<std::uint64_t> content_length(const HttpHeaders& headers) {
    std::uint64_t length = 0;
    const auto text = find_header(headers, "Content-Length");
    if (!text || !read_number(*text, length)) return std::nullopt;
    return length;
}

bool is_encoded(const HttpHeaders& headers) {
    const auto encoding = find_header(headers, "Content-Encoding");
    return encoding && *encoding != "identity";
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::string_view kUnit = "bytes ";
    if (!text.starts_with(kUnit)) return std::nullopt;
    text.remove_prefix(kUnit.size());
    const auto dash = text.find('-'), slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
    ContentRange found;
    std::uint64_t last = 0;
    if (!read_number(text.substr(0, dash), found.range.begin) ||
        !read_number(text.substr(dash + 1, slash - dash - 1), last) ||
        !read_number(text.substr(slash + 1), found.total)) {
        return std::nullopt;
    }
    if (last < found.range.begin || last >= found.total) return std::nullopt;
    found.range.end = last + 1;
    return found;
}

RangeVerdict judge(const RangeRequest& request, int status, const HttpHeaders& headers) {
    if (status == 401 || status == 403) return RangeVerdict::expired;
    if (status == 404 || status == 410) return RangeVerdict::not_found;
    if (status == 429) return RangeVerdict::rate_limited;
    if (status != 200 && status != 206) return RangeVerdict::server_failed;
    if (is_encoded(headers)) return RangeVerdict::other_bytes;

    const auto length = content_length(headers);
    if (const auto text = find_header(headers, "Content-Range")) {
        if (status == 200 && !request.may_be_200) return RangeVerdict::other_bytes;
        const auto found = parse_content_range(*text);
        const bool right = found && found->range == request.range && found->total == request.size.value_or(0) &&
                           length == request.range.size();
        return right ? RangeVerdict::wanted : RangeVerdict::other_bytes;
    }
    if (status == 206) return RangeVerdict::other_bytes;
    // The whole file: right when the whole was wanted.
    const bool whole_wanted = !request.is_ranged || (request.range.begin == 0 && request.range.end == request.size);
    if (whole_wanted) {
        return !length || !request.size || length == request.size ? RangeVerdict::wanted : RangeVerdict::other_bytes;
    }
    return length && length != request.size ? RangeVerdict::other_bytes : RangeVerdict::no_ranges;
}

}  // namespace llmm::downloads
