#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace llmm::storage {

// The statements of a script, without comments and without their semicolons. Knows '…' and "…" with doubled quotes, "--" and
// nested "/* */" comments; not dollar quotes, for migrations define no functions. Throws INTERNAL for an unfinished quote or
// comment.
std::vector<std::string> split_statements(std::string_view script);

}  // namespace llmm::storage
