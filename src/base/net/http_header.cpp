#include "base/net/http_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace llmm {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
}

bool equal_names(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

bool has_line_break(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
}

[[noreturn]] void refuse(const std::string& what) {
    throw HttpError(HttpFailure::protocol, what);
}

// "HTTP/1.1 200 OK"; 0 when it is no status line.
int status_of(std::string_view line) {
    const std::size_t space = line.find(' ');
    if (!line.starts_with("HTTP/") || space == std::string_view::npos) return 0;
    int status = 0;
    const char* const first = line.data() + space + 1;
    const auto [end, error] = std::from_chars(first, line.data() + line.size(), status);
    return error == std::errc() && end - first == 3 ? status : 0;
}

}  // namespace

std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name) {
    for (const HttpHeader& header : headers) {
        if (equal_names(header.name, name)) return header.value;
    }
    return std::nullopt;
}

bool is_http_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").contains(c);
    });
}

void check_request(const HttpRequest& request) {
    static constexpr std::array<std::string_view, 7> kOwn = {
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "accept-encoding", "expect"};
    if (!is_http_token(request.method)) refuse("the method is not a token");
    if (has_line_break(request.bearer.reveal())) refuse("the bearer token has a line break");
    for (const HttpHeader& header : request.headers) {
        if (!is_http_token(header.name)) refuse("a header name is not a token");
        if (has_line_break(header.value)) refuse("the value of " + header.name + " has a line break");
        if (std::ranges::any_of(kOwn, [&](std::string_view own) { return equal_names(own, header.name); })) {
            refuse("the header " + header.name + " is not the caller's to set");
        }
    }
}

HeadReader::Result HeadReader::add_line(std::string_view line) {
    bytes_ += line.size();
    if (bytes_ > kMaxBytes) return Result::too_large;
    while (line.ends_with('\n') || line.ends_with('\r'))
        line.remove_suffix(1);
    if (complete_) return Result::more;  // trailers: counted, not kept
    if (line.empty()) {
        if (status_ == 0 || status_ == 101) return Result::malformed;  // nothing here asks for another protocol
        if (status_ < 200) {
            status_ = 0;
            headers_.clear();
            return Result::more;
        }
        complete_ = true;
        return Result::head_complete;
    }
    if (status_ != 0) return add_field(line);
    status_ = status_of(line);
    return status_ >= 100 ? Result::more : Result::malformed;
}

HeadReader::Result HeadReader::add_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_http_token(line.substr(0, colon)) || line.contains('\0')) {
        return Result::malformed;  // a folded line ends up here too: its first character is a blank
    }
    HttpHeader field{std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))};
    // Two lengths that differ: some reader on the way saw another message than this one.
    if (equal_names(field.name, "content-length")) {
        const auto earlier = find_header(headers_, field.name);
        if (earlier && *earlier != field.value) return Result::malformed;
    }
    headers_.push_back(std::move(field));
    return Result::more;
}

}  // namespace llmm
