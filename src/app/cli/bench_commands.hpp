#pragma once
#include "app/cli/terminal.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::app::cli {

struct BenchOptions {
    std::string deployment, prompt;
    std::vector<int> concurrency;  // empty: as the service likes
    std::optional<int> requests, max_tokens;
};
// Measures a deployment and prints a line for each level. Ctrl-C cancels the benchmark.
int bench(Session& session, const BenchOptions& options);
// The results of earlier ones, the newest first.
int list_benchmarks(Session& session);

}  // namespace llmm::app::cli
