#pragma once
#include "base/async/task.hpp"
#include "base/error/error.hpp"
#include "base/net/upstream.hpp"
#include "base/process/process.hpp"
#include "integrations/engines/engine.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/fwd.hpp>

// llama.cpp's HTTP server: one process a model, spoken to over a unix socket or a loopback port.
namespace llmm::engines::llama_server {

extern const EngineDescriptor kDescriptor;

// --- the program ---

struct SearchPlaces {
    std::filesystem::path configured;  // LLM_MANAGER_LLAMA_SERVER or the configuration; empty: search
    std::string path_variable;         // PATH
    std::filesystem::path home;        // of llm-manager
    std::filesystem::path user_data;   // where llm-manager's home is unless configured; empty: none
};
struct Location {
    std::optional<std::filesystem::path> program;
    Text reason;                                  // why there is none
    std::vector<std::filesystem::path> searched;  // for operators
};
// A configured program is taken or refused; nothing else is tried then.
Location locate(const SearchPlaces& places);

struct Program {
    std::filesystem::path path;
    std::string version;          // as it says: "0.7.0 (build 11669, commit Debian)"
    std::optional<int> build;     // llama.cpp's running number
    std::set<std::string> flags;  // that --help names

    bool offers(std::string_view flag) const { return flags.contains(std::string(flag)); }
};
// Runs it with --version and --help, ten seconds each. Throws ENGINE_UNAVAILABLE when it doesn't run or isn't
// llama-server.
Task<Program> probe(std::filesystem::path program);

// --- starting it ---

// Throws VALIDATION_FAILED with every problem.
OptionValues parse_options(const boost::json::value& config);
// The same problems as a list; empty: valid.
Details validate(const boost::json::value& config);

struct Launch {
    Program program;
    std::filesystem::path model;  // absolute
    std::string alias;            // the model's name in the engine's answers
    Endpoint endpoint;            // the path of a unix socket ends with .sock
    OptionValues options;
    std::filesystem::path directory;  // working directory and HOME
    std::filesystem::path log;
    std::filesystem::path key_file = {};                                // empty: the engine asks for no key
    std::vector<std::pair<std::string, std::string>> environment = {};  // added, e.g. CUDA_VISIBLE_DEVICES
};
// Only flags of the descriptor and fixed ones; every setting is explicit, whatever the build's defaults are.
// Throws VALIDATION_FAILED for a model path, alias or endpoint that the engine could take for something else.
std::vector<std::string> command_line(const Launch& launch);
// The caller removes a socket that an earlier run left: the engine doesn't, and fails to bind.
ProcessSpec process_spec(const Launch& launch);

// --- talking to it ---

Task<Health> health(Upstream& engine);

// What the engine really runs with: context_size (of one slot), parallel, build, model_file,
// chat_template_sha256, modalities, sleeping. What an engine doesn't say is null. Throws ENGINE_FAILED.
Task<boost::json::object> effective(Upstream& engine);

}  // namespace llmm::engines::llama_server
