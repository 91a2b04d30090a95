#pragma once
#include "app/cli/terminal.hpp"

#include <optional>
#include <string>

namespace llmm::app::cli {

struct RunOptions {
    std::string model;
    std::optional<std::string> prompt;
    std::optional<double> temperature;
    std::optional<long> max_tokens;
    std::string system_prompt;
};
int run(Session& session, const RunOptions& options);

}  // namespace llmm::app::cli
