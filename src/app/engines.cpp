#include "app/engines.hpp"

#include "integrations/engines/llama_server/llama_server_engine.hpp"

namespace llmm::app {
namespace {

engines::llama_server::SearchPlaces llama_server_places(const Config& config, const std::filesystem::path& home) {
    const auto environment = process_environment();
    engines::llama_server::SearchPlaces places{.configured = config.engines.llama_server,
                                               .path_variable = environment("PATH").value_or(""),
                                               .home = home,
                                               .user_data = {}};
    if (const auto user = environment("HOME"))
        places.user_data = std::filesystem::path(*user) / ".local/share/llm-manager";
    return places;
}

}  // namespace

engines::EngineSet make_engines(const Config& config, asio::any_io_executor executor, BlockingPool& files) {
    const std::filesystem::path home = std::filesystem::absolute(config.home);
    const engines::LocalHost host{executor, files, home};
    std::vector<std::unique_ptr<engines::Engine>> all;
    all.push_back(std::make_unique<engines::llama_server::LlamaServerEngine>(host, llama_server_places(config, home)));
    return engines::EngineSet(std::move(all));
}

}  // namespace llmm::app
