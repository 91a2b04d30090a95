#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "features/deployments/deployment_service.hpp"
#include "integrations/engines/llama_server/llama_server_engine.hpp"
#include "support/databases.hpp"
#include "support/paths.hpp"
#include "support/run_task.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

namespace llmm::test {

// A data directory with the demo model in it and a deployment service that runs either the real llama-server or the
// stand-in of tests/fakes/engine, whose misbehaviour is written to its script. Whatever the test does, no engine of it
// outlives the object.
class DeploymentWorld {
  public:
    explicit DeploymentWorld(storage::Dialect dialect = storage::Dialect::sqlite) : database(dialect) {
        std::filesystem::create_symlink(std::filesystem::path(LLMM_SOURCE_DIR) / "tests/fakes/engine", fake());
        settings.home = home.path() / "home";
        places.configured = fake();
        settings.start_timeout = std::chrono::seconds(10);
        settings.stop_grace = std::chrono::milliseconds(500);
        settings.pace = {.start_poll = std::chrono::milliseconds(10),
                         .health_interval = std::chrono::milliseconds(30),
                         .health_limit = std::chrono::milliseconds(200),
                         .unhealthy_limit = std::chrono::milliseconds(400),
                         .measure_interval = std::chrono::milliseconds(50),
                         .first_delay = std::chrono::milliseconds(20),
                         .longest_delay = std::chrono::milliseconds(100),
                         .crash_window = std::chrono::minutes(10)};
        blobs = std::make_unique<storage::BlobStore>(settings.home);
        models = std::make_unique<models::ModelService>(
            models::ModelService::Deps{.store = model_store, .blobs = *blobs, .files = files});
        add_model();
        begin();
    }
    ~DeploymentWorld() {
        if (service) end(false);
        for (const ProcessIdentity& left : engines())
            ::kill(left.pid, SIGKILL);
    }

    // The manager starts; whatever an earlier run left is found.
    void begin() {
        const engines::LocalHost host{loop.get_executor(), files, settings.home};
        std::vector<std::unique_ptr<engines::Engine>> all;
        all.push_back(std::make_unique<engines::llama_server::LlamaServerEngine>(host, places));
        engine_set.emplace(std::move(all));
        memory = std::make_unique<deployments::MemoryPlanner>(
            deployments::MemoryPlanner::Deps{store, peaks, *models, files, gpus, *engine_set, kernel}, 0);
        service = std::make_unique<deployments::DeploymentService>(
            deployments::DeploymentService::Deps{loop.get_executor(), store, *models, events, files, *engine_set,
                                                 *memory},
            settings);
        run(service->start());
    }
    void end(bool leave_engines) {
        run(service->shut_down(leave_engines));
        service.reset();
        memory.reset();
        engine_set.reset();
    }

    template <class T>
    T run(Task<T> task) {
        return run_task(loop, std::move(task), std::chrono::seconds(30));
    }

    void script(const std::string& json) { write_file_durably(fake().native() + ".json", json); }

    deployments::Deployment create(deployments::DeploymentRequest request = {}) {
        request.model_id = model;
        return run(service->create(std::move(request)));
    }
    deployments::Deployment now(const deployments::Deployment& deployment) {
        return run(service->get(deployment.id.str()));
    }

    // What it is once the condition holds, or after ten seconds.
    deployments::Deployment until(const deployments::Deployment& deployment,
                                  const std::function<bool(const deployments::Deployment&)>& condition) {
        return run(poll(*service, deployment.id.str(), condition));
    }
    deployments::Deployment until_status(const deployments::Deployment& deployment, deployments::Status status) {
        return until(deployment, [status](const auto& d) { return d.status == status; });
    }
    deployments::EngineLease lease(const deployments::Deployment& deployment,
                                   std::chrono::milliseconds limit = std::chrono::seconds(10),
                                   std::uint64_t affinity = 0) {
        return run(service->ensure_ready(deployment.id, std::chrono::steady_clock::now() + limit, affinity));
    }
    // Processes that carry this world's mark.
    std::vector<ProcessIdentity> engines() const {
        return find_processes_with_environment(engines::kHomeMark, settings.home.native());
    }

    TemporaryDirectory home;
    asio::io_context loop;  // outlives the threads that resume on it
    TestDatabase database;
    BlockingPool files{"files", 2};
    EventBus events{loop.get_executor()};
    std::unique_ptr<storage::BlobStore> blobs;
    models::ModelStore model_store{*database};
    std::unique_ptr<models::ModelService> models;
    deployments::DeploymentStore store{*database};
    deployments::MemoryStore peaks{*database};
    hardware::GpuReader gpus{"libllmm-absent.so.1", {.proc = "/proc", .sys = "/proc/self/fdinfo"}};
    hardware::KernelFiles kernel;  // where free memory is read; see begin()
    std::unique_ptr<deployments::MemoryPlanner> memory;
    engines::llama_server::SearchPlaces places;
    std::optional<engines::EngineSet> engine_set;
    deployments::DeploymentService::Settings settings;
    std::unique_ptr<deployments::DeploymentService> service;
    std::optional<ModelId> model;

  private:
    std::filesystem::path fake() const { return home.path() / "fake-engine"; }

    static Task<deployments::Deployment> poll(deployments::DeploymentService& service, std::string id,
                                              std::function<bool(const deployments::Deployment&)> condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (true) {
            auto deployment = co_await service.get(id);
            if (condition(deployment) || std::chrono::steady_clock::now() > deadline) co_return deployment;
            co_await sleep_for(std::chrono::milliseconds(10));
        }
    }

    void add_model() {
        const std::filesystem::path source = std::filesystem::path(LLMM_SOURCE_DIR) / "share/demo/tiny-chat.q8_0.gguf";
        const std::string content = read_text_file(source, 64 << 20);
        const Sha256 digest = Sha256::of(content);
        const std::filesystem::path part = settings.home / "part";
        std::filesystem::copy_file(source, part);
        blobs->publish(part, digest, content.size());
        const models::ModelRef ref{
            .source = models::Source::demo, .repo = "tiny-chat", .revision = "1", .variant = "Q8_0"};
        const models::ModelFile file{.model_id = ModelId::generate(),
                                     .path = "tiny-chat.q8_0.gguf",
                                     .size = static_cast<std::int64_t>(content.size()),
                                     .sha256 = digest};
        blobs->link(models::link_path(ref, file.path), digest);
        run((*database).write([&](storage::Session& session) {
            model = models::insert_downloading(session, ref, "Tiny Chat", {}).id;
            models::ModelFacts facts;
            facts.format = models::Format::gguf;
            models::set_ready(session, *model, {file}, facts);
        }));
    }
};

}  // namespace llmm::test
