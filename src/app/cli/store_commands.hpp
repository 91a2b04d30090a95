#pragma once
#include "app/cli/terminal.hpp"

#include <string>

namespace llmm::app::cli {

struct ImportOptions {
    std::string path, hf_cache, ollama;  // one of them
    std::string variant;
    bool copy = false;
    bool detach = false;
};
int import_models(Session& session, const ImportOptions& options);

struct LinkOptions {
    std::string hf_cache, ollama;  // one of them
    std::string model;             // empty: all
};
int link_models(Session& session, const LinkOptions& options);

struct CollectOptions {
    bool dry_run = false;
};
int collect_garbage(Session& session, const CollectOptions& options);

// A model, or with an empty name the whole store.
int verify(Session& session, const std::string& model, bool detach);

}  // namespace llmm::app::cli
