#pragma once
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace llmm {

namespace json = boost::json;

// How deep arrays and objects may nest in anything that comes from outside.
inline constexpr std::size_t kMaxJsonDepth = 64;

// Parses one JSON text: UTF-8 checked, nothing after it, no duplicate keys (two readers of the same text would disagree
// on which one counts), nesting bounded. Throws MALFORMED_JSON, or VALIDATION_FAILED for a duplicate key.
json::value parse_json(std::string_view text);

// For text that this program wrote itself (a column of the database). Throws INTERNAL.
json::value parse_own_json(std::string_view text);

}  // namespace llmm
