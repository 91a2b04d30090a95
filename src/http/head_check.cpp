#include "http/head_check.hpp"

#include "base/net/url.hpp"

#include <algorithm>

namespace llmm::http {
namespace {

[[noreturn]] void refuse(std::string_view en, std::string_view zh) {
    fail(ErrorCode::malformed_request, "the request is malformed: {0}", "请求格式错误：{1}", en, zh);
}

bool is_token_character(unsigned char c) {
    // tchar of RFC 9110 5.6.2
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    const auto byte = [&text](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
    while (i < text.size()) {
        const unsigned lead = byte(i), second = byte(i + 1);
        const std::size_t length = lead < 0x80                   ? 1
                                   : lead >= 0xc2 && lead < 0xe0 ? 2
                                   : lead >= 0xe0 && lead < 0xf0 ? 3
                                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                                 : 0;
        if (length == 0) return false;
        for (std::size_t k = 1; k < length; ++k) {
            if ((byte(i + k) & 0xc0) != 0x80) return false;
        }
        // overlong forms, surrogates, beyond U+10FFFF
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
            (lead == 0xf4 && second > 0x8f)) {
            return false;
        }
        i += length;
    }
    return true;
}

void check_header_line(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') refuse("a folded header line", "折叠的请求头");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) refuse("a header line without a colon", "请求头缺少冒号");
    if (colon == 0 || !std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                                   [](char c) { return is_token_character(static_cast<unsigned char>(c)); })) {
        refuse("a bad header name", "请求头名称无效");
    }
}

void check_characters(std::string_view line) {
    for (const char c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) refuse("a control character", "包含控制字符");
    }
}

}  // namespace

HeadScan scan_head(std::string_view received) {
    std::size_t start = 0, lines = 0;
    for (;;) {
        const std::size_t feed = received.find('\n', start);
        if (feed == std::string_view::npos) {
            const std::size_t pending = received.size() - start;
            if (lines == 0 && pending > kMaxRequestLine) {
                fail(ErrorCode::uri_too_long, "the request line has more than {} bytes", "请求行超过 {} 字节",
                     kMaxRequestLine);
            }
            if (received.size() > kMaxHead) {
                fail(ErrorCode::headers_too_large, "the headers have more than {} bytes", "请求头超过 {} 字节",
                     kMaxHead);
            }
            return {};
        }
        if (feed == start || received[feed - 1] != '\r')
            refuse("a line feed without a carriage return", "换行符前缺少回车符");
        const std::string_view line = received.substr(start, feed - 1 - start);
        start = feed + 1;
        if (start > kMaxHead) {
            fail(ErrorCode::headers_too_large, "the headers have more than {} bytes", "请求头超过 {} 字节", kMaxHead);
        }
        if (line.empty()) {
            if (lines == 0) refuse("it begins with an empty line", "请求以空行开头");
            return {HeadState::complete, start};
        }
        check_characters(line);
        if (lines == 0) {
            if (line.size() > kMaxRequestLine) {
                fail(ErrorCode::uri_too_long, "the request line has more than {} bytes", "请求行超过 {} 字节",
                     kMaxRequestLine);
            }
        } else {
            check_header_line(line);
        }
        if (++lines > kMaxHeaders + 1) {
            fail(ErrorCode::headers_too_large, "there are more than {} headers", "请求头超过 {} 个", kMaxHeaders);
        }
    }
}

Target parse_target(std::string_view target) {
    if (target.empty() || target.front() != '/') refuse("the target must be a path", "请求目标必须是路径");
    Target result;
    const std::size_t question = target.find('?');
    const auto path = percent_decode(target.substr(0, question));
    if (!path || !is_utf8(*path) || path->find('#') != std::string::npos)
        refuse("a bad escape in the path", "路径转义无效");
    result.path = *path;
    if (result.path.find("//") != std::string::npos) refuse("an empty path segment", "路径包含空段");
    for (const std::string_view dots : {"/./", "/../"}) {
        if ((result.path + "/").find(dots) != std::string::npos) refuse("a path with dots", "路径包含 . 或 ..");
    }
    if (question == std::string_view::npos) return result;

    std::string_view rest = target.substr(question + 1);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        std::string pair(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (pair.empty()) continue;
        std::replace(pair.begin(), pair.end(), '+', ' ');
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const auto key = percent_decode(std::string_view(pair).substr(0, equals));
        const auto value =
            equals < pair.size() ? percent_decode(std::string_view(pair).substr(equals + 1)) : std::string();
        if (!key || !value || !is_utf8(*key) || !is_utf8(*value))
            refuse("a bad escape in the query", "查询字符串转义无效");
        result.query.emplace_back(*key, *value);
    }
    return result;
}

}  // namespace llmm::http
