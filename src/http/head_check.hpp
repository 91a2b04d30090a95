#pragma once
#include "base/error/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmm::http {

inline constexpr std::size_t kMaxRequestLine = 8 * 1024;
inline constexpr std::size_t kMaxHead = 32 * 1024;
inline constexpr std::size_t kMaxHeaders = 100;

// What can be said of a request's head before a parser reads it. The parser behind this (Beast) accepts some forms that
// proxies and engines read differently; whatever is ambiguous is refused here, so nothing can be smuggled.
enum class HeadState { incomplete, complete };
struct HeadScan {
    HeadState state = HeadState::incomplete;
    std::size_t size = 0;  // of the head with its empty line, when complete
};
// Looks at all bytes received so far. Throws the Error to answer with: a bare LF or CR, NUL or another control
// character, folded headers, space before a colon, a line without a colon, or a limit above.
HeadScan scan_head(std::string_view received);

// Splits and decodes a request target of origin form. Throws MALFORMED_REQUEST for anything else: a broken escape, an
// encoded NUL, "." or ".." segments (also encoded).
struct Target {
    std::string path;
    std::vector<std::pair<std::string, std::string>> query;
};
Target parse_target(std::string_view target);

}  // namespace llmm::http
