#pragma once
#include "base/error/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace llmm::clamav {

// clamd's answer to INSTREAM, up to the zero byte that ends it: the name of what it has found, printable and short;
// nullopt: nothing. SCAN_UNAVAILABLE for everything else: nothing but its own words for it makes a file clean.
std::optional<std::string> read_verdict(std::string_view answer);

// SCAN_UNAVAILABLE; the note is for the log.
Error unavailable(std::string note);

}  // namespace llmm::clamav
