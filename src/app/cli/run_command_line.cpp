#include "app/cli/run_command_line.hpp"

#include "app/cli/api_client.hpp"
#include "app/cli/command_line.hpp"
#include "app/cli/interrupt.hpp"
#include "app/serve.hpp"

#include <cstdlib>

namespace llmm::app {

int run_command_line(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    const cli::Language language = cli::choose_language(cli::language_option(arguments), std::getenv("LC_ALL"),
                                                        std::getenv("LC_MESSAGES"), std::getenv("LANG"));
    cli::Terminal terminal = cli::standard_terminal(language);
    const cli::Surroundings surroundings{
        .environment = process_environment(),
        .serve = serve,
        .migrate = migrate,
        .connect = [](cli::Connection connection, cli::Texts texts) -> std::unique_ptr<cli::Api> {
            // Only here: `serve` drains on Ctrl-C in its own way.
            cli::catch_interrupts();
            return std::make_unique<cli::ApiClient>(std::move(connection), texts);
        }};
    return cli::execute(std::move(arguments), terminal, surroundings);
}

}  // namespace llmm::app
