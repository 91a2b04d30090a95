#pragma once
#include "base/process/process.hpp"
#include "integrations/engines/engine.hpp"

#include <string>
#include <vector>

namespace llmm::engines {

// The probable cause of an end that nobody asked for, from the last log lines and the exit status where it is known.
FailureCause explain_failure(const std::vector<std::string>& log, const ExitStatus& status = {});

}  // namespace llmm::engines
