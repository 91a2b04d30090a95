#pragma once
#include "app/cli/api.hpp"
#include "app/cli/connection.hpp"
#include "app/cli/terminal.hpp"
#include "base/config/config.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace llmm::app::cli {

// What the command line needs from outside; tests put their own in place.
struct Surroundings {
    Environment environment;
    std::function<int(const Config&)> serve, migrate;
    std::function<std::unique_ptr<Api>(Connection, Texts)> connect;
};

// The value of --lang, wherever it stands: the help that the parser writes is in that language already.
std::string language_option(std::span<const std::string> arguments);

// Parses the arguments (without the program's name), does what they say and answers the exit code.
int execute(std::vector<std::string> arguments, Terminal& terminal, const Surroundings& surroundings);

}  // namespace llmm::app::cli
