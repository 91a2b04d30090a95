#pragma once
#include "app/cli/terminal.hpp"

#include <string>

namespace llmm::app::cli {

// Asks for the model; answers the Download, or the Model when it is complete already. A download that was
// paused or has failed goes on.
json::object begin_pull(Session& session, const std::string& ref);
bool is_model(const json::object& answer);
// Shows the progress until the download has completed and answers it. Ctrl-C pauses it and throws
// Interrupted; ApiError with the download's own code when it fails.
json::object follow_pull(Session& session, json::object download, const std::string& ref);
// Both, and the Model that came of it.
json::object pull_model(Session& session, const std::string& ref);

}  // namespace llmm::app::cli
