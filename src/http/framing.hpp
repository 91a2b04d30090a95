#pragma once
#include "http/response.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

// How requests and responses look on the wire.
namespace llmm::http {

using RequestParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

// What the parser left undecided: RFC 9112 6.1 lets a server refuse what it could also repair. Throws
// MALFORMED_REQUEST.
void check_framing(const RequestParser& parser);

// Status line and headers, without the empty line at the end.
std::string response_head(const Response& response, bool keep_alive, std::optional<std::size_t> content_length);

bool matches_etag(std::string_view if_none_match, std::string_view etag);

// "<size in hex>\r\n", which comes before a chunk of a body. Lives in the buffer.
struct ChunkHead {
    explicit ChunkHead(std::size_t size);
    std::string_view text() const { return {buffer + start, sizeof buffer - start}; }
    char buffer[18];
    std::size_t start;
};

}  // namespace llmm::http
