#pragma once
#include "app/cli/terminal.hpp"

#include <exception>

namespace llmm::app::cli {

enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kUnreachable = 3 };

// Says on `err` what went wrong and what to do next; answers the exit code.
int report_failure(std::exception_ptr failure, const Terminal& terminal);

}  // namespace llmm::app::cli
