#pragma once
#include "base/error/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace llmm::formats {

enum class ProblemKind {
    incomplete,   // so far nothing is wrong: ask again when needed_bytes of the file are there
    invalid,      // breaks the format's rules
    unsupported,  // may be well-formed, but we don't read it: another version, byte order, or beyond our
                  // limits
    truncated,    // the whole file is shorter than its header says
};

// Why a model file's header was not read. A value, not an exception: bad files are an everyday answer.
struct FormatProblem {
    ProblemKind kind = ProblemKind::invalid;
    Text message;  // for clients: holds at most a short, cleaned piece of the file
    // Length of the file's beginning without which reading can't go on (incomplete) or the file's least size
    // (truncated).
    std::uint64_t needed_bytes = 0;
    friend bool operator==(const FormatProblem&, const FormatProblem&) = default;
};

// A name out of the file for a message: ASCII only, at most 64 characters.
std::string for_message(std::string_view name);

}  // namespace llmm::formats
