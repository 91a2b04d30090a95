#pragma once
#include <span>
#include <string_view>

namespace llmm {

// A file that the build put into the program; lives as long as the process.
struct EmbeddedFile {
    std::string_view name;
    std::string_view content;
};

}  // namespace llmm
