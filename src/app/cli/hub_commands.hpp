#pragma once
#include "app/cli/terminal.hpp"

#include <string>

namespace llmm::app::cli {

struct SearchOptions {
    std::string query, source, format, sort;
    std::size_t limit = 20;
};
int search(Session& session, const SearchOptions& options);

int show(Session& session, const std::string& model);

struct PullOptions {
    std::string ref;
    bool detach = false;
};
int pull(Session& session, const PullOptions& options);

}  // namespace llmm::app::cli
