#pragma once
#include "base/net/http_client.hpp"
#include "features/downloads/byte_ranges.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmm::downloads {

// "bytes 100-199/200": nullopt for anything else, also for an unknown total.
struct ContentRange {
    ByteRange range;
    std::uint64_t total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

struct RangeRequest {
    ByteRange range;                    // what is wanted
    std::optional<std::uint64_t> size;  // of the whole file
    bool is_ranged = true;              // false: the whole was asked for, without a Range header
    bool may_be_200 = false;            // the source answers ranges with 200 and a Content-Range
};

enum class RangeVerdict {
    wanted,         // exactly the bytes that were asked for follow
    other_bytes,    // a success that is not what was asked for
    no_ranges,      // the whole file, though a part was asked for
    expired,        // 401, 403: a signed address that is no longer valid
    not_found,      // 404, 410
    rate_limited,   // 429
    server_failed,  // everything else
};
// Judges by status and headers alone, before the first byte of the body is used.
RangeVerdict judge(const RangeRequest& request, int status, const HttpHeaders& headers);

}  // namespace llmm::downloads
