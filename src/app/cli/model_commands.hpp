#pragma once
#include "app/cli/terminal.hpp"

#include <string>

namespace llmm::app::cli {

int list_models(Session& session);
int list_downloads(Session& session);

struct RemoveOptions {
    std::string model, deployment;  // one of them
};
int remove(Session& session, const RemoveOptions& options);

}  // namespace llmm::app::cli
