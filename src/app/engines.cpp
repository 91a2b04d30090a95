#include "app/engines.hpp"

#include "base/async/signal.hpp"
#include "base/log/log.hpp"
#include "features/tasks/task_queue.hpp"
#include "integrations/engines/docker/docker_engine.hpp"
#include "integrations/engines/external/external_engine.hpp"
#include "integrations/engines/llama_server/llama_server_engine.hpp"
#include "integrations/engines/ollama/ollama_engine.hpp"
#include "integrations/engines/process/process_engine.hpp"

#include <fmt/format.h>

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

constexpr std::string_view kPullKind = "pull_image";
constexpr std::chrono::milliseconds kLook{300};

// One task an image, however many deployments wait for it.
Task<> pull_image(tasks::TaskQueue& queue, std::string image) {
    const auto task = co_await queue.enqueue_unique({.kind = std::string(kPullKind),
                                                     .subject = image,
                                                     .unique_key = fmt::format("{}/{}", kPullKind, image),
                                                     .max_attempts = 2});
    while (true) {
        const auto now = co_await queue.get(task.id);
        if (now.state == tasks::State::succeeded) co_return;
        if (now.state != tasks::State::queued && now.state != tasks::State::running) {
            fail(ErrorCode::engine_unavailable, "the image {} can't be fetched: {}", "无法拉取镜像 {}：{}", image,
                 now.error_message.value_or(std::string(tasks::name_of(now.state))));
        }
        co_await sleep_for(kLook);
    }
}

Task<> run_pull(engines::docker::DockerEngine& docker, const tasks::TaskRun& run) {
    co_await docker.fetch_image(run.task.subject, run.report_progress);
}

// Only the socket: Docker over a network would give its machine away.
std::string docker_socket(const Config& config) {
    constexpr std::string_view kUsual = "/var/run/docker.sock";
    if (config.docker.host.empty()) return std::string(kUsual);
    const auto socket = docker::parse_docker_host(config.docker.host);
    if (!socket) log::warning("docker.host is not unix:///path: the usual socket is used", {});
    return socket.value_or(std::string(kUsual));
}

}  // namespace

engines::EngineSet make_engines(const Config& config, const std::filesystem::path& resources,
                                asio::any_io_executor executor, BlockingPool& files, tasks::TaskQueue& queue) {
    const std::filesystem::path home = std::filesystem::absolute(config.home);
    const engines::LocalHost host{executor, files, home};
    std::vector<std::unique_ptr<engines::Engine>> all;
    all.push_back(std::make_unique<engines::llama_server::LlamaServerEngine>(host, llama_server_places(config, home)));
    all.push_back(std::make_unique<engines::ProcessEngine>(
        host, engines::ProcessEngine::Settings{.templates = {resources / "engines/process", home / "engines.d/process"},
                                               .path_variable = process_environment()("PATH").value_or("")}));
    auto docker = std::make_unique<engines::docker::DockerEngine>(
        host, engines::docker::DockerEngine::Settings{
                  .socket = docker_socket(config),
                  .templates = {resources / "engines/docker", home / "engines.d/docker"},
                  .pull = [&queue](std::string image) { return pull_image(queue, std::move(image)); }});
    queue.add_kind(std::string(kPullKind), 2,
                   [&engine = *docker](const tasks::TaskRun& run) { return run_pull(engine, run); });
    all.push_back(std::move(docker));
    all.push_back(std::make_unique<engines::OllamaEngine>(host, config.ollama.host));
    all.push_back(std::make_unique<engines::ExternalEngine>(
        host, engines::ExternalEngine::Settings{.ca_file = config.network.ca_file}));
    return engines::EngineSet(std::move(all));
}

}  // namespace llmm::app
