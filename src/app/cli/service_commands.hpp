#pragma once
#include "app/cli/terminal.hpp"
#include "base/config/config.hpp"

namespace llmm::app::cli {

int status(Session& session);
int list_tasks(Session& session);
int show_config(Terminal& terminal, const Config& config);

}  // namespace llmm::app::cli
