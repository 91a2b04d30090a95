#include "http/framing.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <ctime>

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

namespace llmm::http {
namespace {

// "Date" with a precision of one second, formatted once a second.
const std::string& http_date() {
    thread_local std::time_t last = 0;
    thread_local std::string text;
    const std::time_t now = std::time(nullptr);
    if (now != last) {
        last = now;
        std::tm parts{};
        gmtime_r(&now, &parts);
        char buffer[40];
        text.assign(buffer, std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    }
    return text;
}

bool is_header_text(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

}  // namespace

std::string response_head(const Response& response, bool keep_alive, std::optional<std::size_t> content_length) {
    std::string head;
    head.reserve(512);
    fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\nConnection: {}\r\n", response.status,
                   reason_phrase(response.status), http_date(), keep_alive ? "keep-alive" : "close");
    for (const HttpHeader& header : response.headers) {
        if (!is_header_text(header.value)) continue;  // nothing from outside may add a line of its own
        head.append(header.name).append(": ").append(header.value).append("\r\n");
    }
    if (!response.etag.empty()) head.append("ETag: ").append(response.etag).append("\r\n");
    if (content_length) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", *content_length);
    return head;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
    return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

// What the parser left undecided: RFC 9112 6.1 lets a server refuse what it could also repair.
void check_framing(const RequestParser& parser) {
    const auto& message = parser.get();
    const auto lengths = message.count(boost::beast::http::field::content_length);
    const auto encodings = message.count(boost::beast::http::field::transfer_encoding);
    if (lengths + encodings > 1) {
        fail(ErrorCode::malformed_request, "the body's length is given more than once", "请求体长度被多次声明");
    }
    const auto length = message[boost::beast::http::field::content_length];
    if (lengths == 1 && (length.empty() || length.find_first_not_of("0123456789") != std::string_view::npos)) {
        fail(ErrorCode::malformed_request, "the body's length is not a number", "请求体长度不是数字");
    }
    if (encodings == 1 && !boost::beast::iequals(message[boost::beast::http::field::transfer_encoding], "chunked")) {
        fail(ErrorCode::malformed_request, "only the transfer encoding \"chunked\" is understood",
             "仅支持 chunked 传输编码");
    }
    if (message.version() != 11 && message.version() != 10) {
        fail(ErrorCode::malformed_request, "only HTTP/1.0 and HTTP/1.1 are understood", "仅支持 HTTP/1.0 与 HTTP/1.1");
    }
    if (message.version() == 10 && encodings > 0) {
        fail(ErrorCode::malformed_request, "HTTP/1.0 has no transfer encodings", "HTTP/1.0 不支持传输编码");
    }
    const auto hosts = message.count(boost::beast::http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
        fail(ErrorCode::malformed_request, "exactly one Host header is needed", "必须且只能有一个 Host 请求头");
    }
}

ChunkHead::ChunkHead(std::size_t size) : start(sizeof buffer - 2) {
    buffer[start] = '\r';
    buffer[start + 1] = '\n';
    do {
        buffer[--start] = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size > 0);
}

}  // namespace llmm::http
