#include "http/compression.hpp"

#include "base/error/error.hpp"
#include "http/framing.hpp"

#include <zlib.h>

namespace llmm::http {

constexpr std::size_t kMinCompressed = 1024;  // the contract's: responses over 1 KiB

bool accepts_gzip(std::string_view accept_encoding) {
    const auto place = accept_encoding.find("gzip");
    if (place == std::string_view::npos) return false;
    const std::string_view rest = accept_encoding.substr(place, accept_encoding.find(',', place) - place);
    const auto weight = rest.find("q=0");
    return weight == std::string_view::npos || rest.find_first_of("123456789", weight + 3) != std::string_view::npos;
}

std::string gzip(std::string_view data) {
    z_stream stream{};
    constexpr int kGzipFormat = 15 + 16, kDefaultMemory = 8;  // zlib.h: windowBits + 16 writes a gzip header
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipFormat, kDefaultMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw Error(ErrorCode::internal, Text{"compression failed", "压缩失败"});
    }
    std::string out(deflateBound(&stream, static_cast<uLong>(data.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (result != Z_STREAM_END) throw Error(ErrorCode::internal, Text{"compression failed", "压缩失败"});
    return out;
}

void negotiate(const Request& request, Response& response) {
    if (response.as_is) return;
    const auto if_none_match = request.header("If-None-Match");
    if (!response.etag.empty() && response.status == 200 && if_none_match &&
        matches_etag(*if_none_match, response.etag)) {
        response.status = 304;
        response.body.clear();
    }
    if (response.body.size() > kMinCompressed) {
        response.headers.push_back({"Vary", "Accept-Encoding"});
        const auto type = find_header(response.headers, "Content-Type").value_or("");
        const bool compressible = type.starts_with("application/json") || type.starts_with("text/") ||
                                  type.starts_with("application/javascript");
        if (compressible && !find_header(response.headers, "Content-Encoding") &&
            accepts_gzip(request.header("Accept-Encoding").value_or(""))) {
            response.body = gzip(response.body);
            response.headers.push_back({"Content-Encoding", "gzip"});
        }
    }
}

}  // namespace llmm::http
