#include "app/app.hpp"

#include "app/docs_routes.hpp"
#include "app/engines.hpp"
#include "app/metrics_routes.hpp"
#include "app/sources.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "base/process/descriptor_limit.hpp"
#include "features/auth/auth_service.hpp"
#include "features/benchmarks/benchmark_routes.hpp"
#include "features/chat/archive_routes.hpp"
#include "features/chat/chat_routes.hpp"
#include "features/chat/chat_service.hpp"
#include "features/chat/deployment_engines.hpp"
#include "features/deployments/deployment_metrics_routes.hpp"
#include "features/deployments/deployment_plan_routes.hpp"
#include "features/deployments/deployment_routes.hpp"
#include "features/deployments/hub_fit.hpp"
#include "features/downloads/download_routes.hpp"
#include "features/gateway/anthropic_routes.hpp"
#include "features/gateway/ollama_routes.hpp"
#include "features/gateway/openai_routes.hpp"
#include "features/gateway/queue_routes.hpp"
#include "features/models/hub_routes.hpp"
#include "features/models/model_routes.hpp"
#include "features/store/store_routes.hpp"
#include "features/system/system_routes.hpp"
#include "features/tasks/task_json.hpp"
#include "features/tasks/task_routes.hpp"
#include "features/usage/usage_routes.hpp"
#include "http/event_routes.hpp"
#include "http/server.hpp"
#include "integrations/demo/demo_hub.hpp"
#include "integrations/hardware/gpu_reader.hpp"
#include "integrations/huggingface/huggingface_hub.hpp"
#include "integrations/local/local_hub.hpp"
#include "integrations/modelscope/modelscope_hub.hpp"
#include "integrations/ollama/ollama_hub.hpp"
#include "integrations/url/url_hub.hpp"
#include "storage/migrator.hpp"

#include <cstdlib>

#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::app {

namespace json = boost::json;

namespace {

struct ListenAddress {
    std::string address;
    std::uint16_t port = 0;
    bool is_loopback = false;
};

// "127.0.0.1:5000", "[::1]:5000", "localhost:5000", "0.0.0.0:5000"
std::optional<ListenAddress> parse_listen(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    const std::string digits = text.substr(colon + 1);
    unsigned port = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error || bad != std::errc{} || end != digits.data() + digits.size() || port > 65535) return std::nullopt;
    return ListenAddress{address.to_string(), static_cast<std::uint16_t>(port), address.is_loopback()};
}

storage::DatabaseUrl database_url(const Config& config) {
    return config.database.url.empty()
               ? storage::DatabaseUrl::of_file(std::filesystem::absolute(config.home) / "llm-manager.db")
               : storage::DatabaseUrl::parse(config.database.url.reveal());
}

log::Level log_level(const std::string& name) {
    if (name == "debug") return log::Level::debug;
    if (name == "warning") return log::Level::warning;
    if (name == "error") return log::Level::error;
    return log::Level::info;
}

http::ServerConfig server_config(const Config& config, std::size_t descriptors) {
    const auto wanted = static_cast<std::size_t>(config.server.max_connections);
    const std::size_t connections = servable_connections(wanted, descriptors);
    if (connections < wanted) {
        log::warning("fewer connections at the same time than server.max_connections: raise the limit of open files",
                     {{"connections", connections}, {"open_files", descriptors}});
    }
    const auto listen = parse_listen(config.server.listen).value();
    const auto ms = [](std::int64_t seconds) { return std::chrono::milliseconds(seconds * 1000); };
    return {.address = listen.address,
            .port = listen.port,
            .tls_certificate = config.server.tls_certificate,
            .tls_key = config.server.tls_key,
            .head_timeout = ms(config.server.head_timeout_seconds),
            .body_timeout = ms(config.server.body_timeout_seconds),
            .idle_timeout = ms(config.server.idle_timeout_seconds),
            .max_connections = connections};
}

// Accounts will know more than one name and more than one right.
class AdminKeyAuthenticator final : public http::Authenticator {
  public:
    explicit AdminKeyAuthenticator(const auth::AuthService& service) : service_(service) {}
    std::optional<http::Principal> authenticate(std::string_view token) const override {
        if (!service_.is_valid(token)) return std::nullopt;
        return http::Principal{"admin"};
    }
    bool permits(const http::Principal&, http::Permission) const override { return true; }

  private:
    const auth::AuthService& service_;
};

deployments::DeploymentService::Settings deployment_settings(const Config& config) {
    deployments::DeploymentService::Settings settings;
    settings.home = std::filesystem::absolute(config.home);
    settings.start_timeout = std::chrono::seconds(config.engines.start_timeout_seconds);
    settings.stop_grace = std::chrono::seconds(config.engines.stop_grace_seconds);
    settings.max_log_bytes = static_cast<std::uint64_t>(config.engines.max_log_bytes);
    return settings;
}

chat::GenerationLimits chat_limits(const Config& config) {
    chat::GenerationLimits limits;
    limits.unwatched_wait = std::chrono::seconds(config.chat.unwatched_seconds);
    limits.context_policy = chat::parse_context_policy(config.chat.context_policy).value();
    limits.titles = config.chat.titles == "on";
    return limits;
}

gateway::GatewayLimits gateway_limits(const Config& config) {
    gateway::GatewayLimits limits;
    limits.queue_wait = std::chrono::seconds(config.gateway.queue_wait_seconds);
    limits.engine_wait = std::chrono::seconds(config.engines.start_timeout_seconds);
    limits.heartbeat = std::chrono::seconds(config.gateway.heartbeat_seconds);
    return limits;
}

}  // namespace

void check_config(const Config& config) {
    std::vector<std::string> problems;
    const auto listen = parse_listen(config.server.listen);
    if (!listen) problems.push_back(fmt::format("server.listen: \"{}\" is not address:port", config.server.listen));
    if (listen && !listen->is_loopback && config.auth.mode == "none") {
        problems.push_back(
            "auth.mode: \"none\" is only allowed on a loopback address; anybody on the network could use the service");
    }
    if (config.server.tls_certificate.empty() != config.server.tls_key.empty()) {
        problems.push_back("server.tls_certificate and server.tls_key belong together: set both or none");
    }
    check_sources(config, problems);
    for (const std::string& root : config.local.roots) {
        if (!LocalRoots::parse(root))
            problems.push_back(fmt::format("local.roots: \"{}\" is not an absolute path", root));
    }
    if (!config.database.url.empty()) {
        try {
            storage::DatabaseUrl::parse(config.database.url.reveal());
        } catch (const Error& error) {
            problems.push_back("database.url: " + error.message().en);
        }
    }
    if (!problems.empty()) throw ConfigError(std::move(problems));
}

// In dependency order: each member may use only those above it.
struct App::Parts {
    Parts(asio::io_context& loop, Config settings, const std::filesystem::path& resources)
        : config(std::move(settings)),
          executor(loop.get_executor()),
          files("files", 2),
          gpus(config.hardware.nvml_library, {.proc = "/proc", .sys = config.hardware.sysfs}),
          events(executor),
          database({.url = migrated(database_url(config)),
                    .pool_size = static_cast<std::size_t>(config.database.pool_size)}),
          blobs(std::filesystem::absolute(config.home)),
          guard(allowed_hosts(config)),
          internet({.user_agent = "llm-manager/" LLMM_VERSION,
                    .http_proxy = config.network.http_proxy,
                    .https_proxy = config.network.https_proxy,
                    .no_proxy = config.network.no_proxy,
                    .ca_file = config.network.ca_file},
                   guard),
          roots({config.local.roots.begin(), config.local.roots.end()}),
          huggingface({.endpoint = parse_endpoint(config.huggingface.endpoint).value(),
                       .token = huggingface_token(config),
                       .cache_lifetime = std::chrono::seconds(config.huggingface.cache_seconds)},
                      internet, guard),
          modelscope({.endpoint = parse_endpoint(config.modelscope.endpoint).value(),
                      .token = config.modelscope.token,
                      .cache_lifetime = std::chrono::seconds(config.huggingface.cache_seconds)},
                     internet, guard),
          ollama({.registry = parse_endpoint(config.ollama.registry).value(),
                  .huggingface = parse_endpoint(config.huggingface.endpoint).value(),
                  .cache_lifetime = std::chrono::seconds(config.huggingface.cache_seconds)},
                 internet, guard),
          mirrors(make_mirrors(config, internet, guard)),
          addresses(internet, guard),
          local(roots, files),
          demo(resources / "demo"),
          auth(config.auth.mode == "none" ? auth::AuthService::Mode::none : auth::AuthService::Mode::key,
               config.auth.admin_key, config.home / "secrets/admin-key"),
          authenticator(auth),
          task_store(database),
          queue(executor, task_store, {}),
          model_store(database),
          models({model_store, blobs, files}),
          hubs(executor, {&huggingface, &modelscope, &ollama, &addresses, &local, &demo}, mirrors_of(config, mirrors),
               {.patience = std::chrono::milliseconds(config.hubs.search_patience_ms),
                .may_ask_twin = config.hubs.failover == "all"}),
          scanner(make_scanner(config, files)),
          download_store(database),
          downloads({executor, download_store, hubs, queue, blobs, internet, files, scanner.get()},
                    download_settings(config)),
          store_store(database),
          store({store_store, models, hubs, queue, blobs, roots, files, scanner.get()},
                std::filesystem::absolute(config.home)),
          deployment_store(database),
          engines(make_engines(config, resources, executor, files, queue)),
          memory_store(database),
          memory_planner({deployment_store, memory_store, models, files, gpus, engines},
                         static_cast<std::uint64_t>(config.engines.keep_free_memory_bytes)),
          deployments({executor, deployment_store, models, events, files, engines, memory_planner},
                      deployment_settings(config)),
          usage_store(database),
          usage(executor, usage_store, config.home / "usage.journal",
                {std::chrono::milliseconds(config.usage.flush_milliseconds)}),
          alias_store(database),
          admissions(executor, {static_cast<std::size_t>(config.gateway.at_once),
                                static_cast<std::size_t>(config.gateway.queue_size)}),
          model_directory({executor, deployments, admissions, models, alias_store, events}),
          gateway({deployments, model_directory, usage}, gateway_limits(config)),
          chat_engines(deployments, admissions),
          chat_store(database),
          chat({executor, chat_store, chat_engines, usage}, chat_limits(config)),
          chat_search(database),
          chat_archive({executor, chat_store, chat_search, chat_engines}),
          benchmark_store(database),
          benchmarks({executor, benchmark_store, deployments, chat_engines, queue}),
          system({executor, files, gpus, [this] { return ask_database(); }, [this] { return queue.is_working(); },
                  [this] { return engine_uses(); }},
                 config.home, static_cast<std::uint64_t>(config.downloads.keep_free_bytes)),
          docs_routes(resources / "docs", files),
          event_routes(events),
          task_routes(queue),
          remote_headers({hubs, internet, guard, files}),
          hub_fit(remote_headers, memory_planner),
          hub_routes(hubs, [this](const models::RemoteModel& model) { return hub_fit.of(model); }),
          model_routes(models, [this](ModelId id) { return start_verification(id); }),
          download_routes(downloads),
          store_routes(store),
          deployment_routes(deployments, files),
          chat_routes(chat),
          archive_routes(chat_archive, chat),
          benchmark_routes(benchmarks),
          openai_routes(gateway, model_directory, alias_store),
          anthropic_routes(gateway),
          ollama_routes({gateway, model_directory, alias_store, deployments, models, downloads}),
          queue_routes(admissions),
          usage_routes(usage_store, usage),
          system_routes(system,
                        {database.dialect() == storage::Dialect::sqlite ? "sqlite" : "postgresql", std::nullopt}),
          metrics_reader({deployments, admissions, usage_store, usage}),
          deployment_plan_routes(deployments),
          deployment_metrics_routes(deployments, metrics_reader),
          metrics_routes(metrics, MetricsStore(database), system, metrics_reader),
          request_metrics(metrics, router),
          middleware({config.server.allowed_hosts, config.server.cors_origins}, authenticator, &request_metrics),
          server(executor, server_config(config, raise_descriptor_limit()), add_routes(), middleware) {
        queue.add_kind("verify_model", 1, [this](const tasks::TaskRun& run) {
            return models.verify(ModelId::trusted(run.task.subject), run.report_progress);
        });
        publish_changes();
    }

    static storage::DatabaseUrl migrated(storage::DatabaseUrl url) {
        const auto report = storage::migrate(url);
        if (report.version_after != report.version_before) {
            log::info("database migrated", {{"from", report.version_before}, {"to", report.version_after}});
        }
        return url;
    }

    Task<> ask_database() {
        co_await database.read([](storage::Session& session) {
            session.query_one("SELECT 1", [](const storage::Row& row) { return row.int64(0); });
        });
    }

    // Resources name the engines that use them.
    Task<std::vector<system::EngineUse>> engine_uses() {
        std::vector<system::EngineUse> uses;
        for (const auto& deployment : co_await deployment_store.all()) {
            for (const auto& instance : deployment.instances) {
                system::EngineUse use{.deployment_id = deployment.id.str(),
                                      .deployment = deployment.name,
                                      .engine = deployment.engine,
                                      .instance_id = instance.id.str(),
                                      .pid = {},
                                      .memory = {},
                                      .gpu_memory = {}};
                if (instance.process) use.pid = instance.process->pid;
                if (instance.memory_bytes) use.memory = static_cast<std::uint64_t>(*instance.memory_bytes);
                uses.push_back(std::move(use));
            }
        }
        co_await files.run([this, &uses] {
            for (auto& use : uses) {
                const pid_t pid[] = {static_cast<pid_t>(use.pid.value_or(-1))};
                const auto held = use.pid ? gpus.memory_of(pid) : std::map<std::string, std::uint64_t>();
                for (const auto& [uuid, bytes] : held)
                    use.gpu_memory = use.gpu_memory.value_or(0) + bytes;
            }
        });
        co_return uses;
    }

    // The queue and the catalogue meet here: models know nothing of tasks.
    Task<std::pair<std::string, std::string>> start_verification(ModelId id) {
        const std::string key = "verify_model/" + id.str();
        const auto task = co_await queue.enqueue_unique(
            {.kind = "verify_model", .subject = id.str(), .unique_key = key, .max_attempts = 1});
        co_return std::pair(json::serialize(tasks::to_json(task)), "/api/v1/tasks/" + task.id.str());
    }

    // Topics of the event bus: what a listener begins with, and who tells of changes.
    void publish_changes() {
        events.add_topic("downloads", [this] { return downloads_snapshot(); });
        events.add_topic("tasks", [this] { return tasks_snapshot(); });
        deployment_routes.add_topic(events);
        downloads.on_change = [this](const downloads::Download& download) {
            events.publish("downloads", "updated", downloads::to_json(download));
        };
        queue.on_change = [this](const tasks::QueuedTask& task) {
            events.publish("tasks", "updated", tasks::to_json(task));
        };
    }

    Task<json::value> downloads_snapshot() {
        json::array items;
        for (const auto& download : (co_await downloads.list({})).items)
            items.push_back(downloads::to_json(download));
        co_return json::object{{"items", std::move(items)}};
    }

    Task<json::value> tasks_snapshot() {
        json::array items;
        for (const auto& task : (co_await queue.list({})).items)
            items.push_back(tasks::to_json(task));
        co_return json::object{{"items", std::move(items)}};
    }

    const http::Router& add_routes() {
        docs_routes.add_to(router);
        event_routes.add_to(router);
        task_routes.add_to(router);
        hub_routes.add_to(router);
        model_routes.add_to(router);
        download_routes.add_to(router);
        store_routes.add_to(router);
        deployment_routes.add_to(router);
        chat_routes.add_to(router);
        archive_routes.add_to(router);
        benchmark_routes.add_to(router);
        openai_routes.add_to(router);
        anthropic_routes.add_to(router);
        ollama_routes.add_to(router);
        queue_routes.add_to(router);
        usage_routes.add_to(router);
        system_routes.add_to(router);
        deployment_plan_routes.add_to(router);
        deployment_metrics_routes.add_to(router);
        metrics_routes.add_to(router);
        return router;
    }

    Config config;
    asio::any_io_executor executor;
    BlockingPool files;          // hashing, scans, fsync
    MetricRegistry metrics;      // what is counted
    hardware::GpuReader gpus;    // of this machine
    EventBus events;             // tells who listens
    storage::Database database;  // migrated before anybody can use it
    storage::BlobStore blobs;    // model files by content
    UrlGuard guard;              // where we may fetch from
    HttpClient internet;         // owns the network thread
    LocalRoots roots;            // what of this machine may be taken or linked to
    hubs::HuggingFaceHub huggingface;
    hubs::ModelScopeHub modelscope;
    hubs::OllamaHub ollama;
    Mirrors mirrors;  // of the first, in the order of the configuration
    hubs::UrlHub addresses;
    hubs::LocalHub local;
    hubs::DemoHub demo;      // models that come along
    auth::AuthService auth;  // the admin key
    AdminKeyAuthenticator authenticator;
    tasks::TaskStore task_store;
    tasks::TaskQueue queue;  // and the worker inside this process
    models::ModelStore model_store;
    models::ModelService models;             // the local catalogue
    models::HubService hubs;                 // the remote one
    std::unique_ptr<clamav::Clamd> scanner;  // null: nothing is scanned
    downloads::DownloadStore download_store;
    downloads::DownloadService downloads;
    store::StoreStore store_store;
    store::StoreService store;  // imports, links for others, garbage
    deployments::DeploymentStore deployment_store;
    engines::EngineSet engines;                 // what runs models
    deployments::MemoryStore memory_store;      // what engines were seen to take
    deployments::MemoryPlanner memory_planner;  // who still fits
    deployments::DeploymentService deployments;
    usage::UsageStore usage_store;
    usage::UsageRecorder usage;
    gateway::AliasStore alias_store;
    deployments::Admissions admissions;       // the doors in front of engines
    gateway::ModelDirectory model_directory;  // names of models in requests
    gateway::GatewayService gateway;
    chat::DeploymentEngines chat_engines;  // deployments as chat sees them
    chat::ChatStore chat_store;
    chat::ChatService chat;
    chat::SearchStore chat_search;
    chat::ArchiveService chat_archive;
    benchmarks::BenchmarkStore benchmark_store;
    benchmarks::BenchmarkService benchmarks;
    system::SystemService system;
    DocsRoutes docs_routes;
    http::EventRoutes event_routes;
    tasks::TaskRoutes task_routes;
    models::RemoteHeaders remote_headers;
    deployments::HubFit hub_fit;
    models::HubRoutes hub_routes;
    models::ModelRoutes model_routes;
    downloads::DownloadRoutes download_routes;
    store::StoreRoutes store_routes;
    deployments::DeploymentRoutes deployment_routes;
    chat::ChatRoutes chat_routes;
    chat::ArchiveRoutes archive_routes;
    benchmarks::BenchmarkRoutes benchmark_routes;
    gateway::OpenAiRoutes openai_routes;
    gateway::AnthropicRoutes anthropic_routes;
    gateway::OllamaRoutes ollama_routes;
    gateway::QueueRoutes queue_routes;
    usage::UsageRoutes usage_routes;
    system::SystemRoutes system_routes;
    deployments::MetricsReader metrics_reader;
    deployments::DeploymentPlanRoutes deployment_plan_routes;
    deployments::DeploymentMetricsRoutes deployment_metrics_routes;
    MetricsRoutes metrics_routes;
    RequestMetrics request_metrics;
    http::Router router;
    http::Middleware middleware;
    http::Server server;  // last: nothing arrives before everything exists
};

App::App(asio::io_context& loop, Config config, std::filesystem::path resources)
    : parts_(std::make_unique<Parts>(loop, std::move(config), resources)) {}
App::~App() = default;

Task<> App::start() {
    if (const auto& key = parts_->auth.new_key()) {
        // The one time that a secret is shown: its owner has no other way to learn of it.
        fmt::print(stderr, "The admin key of this service, also kept in {}:\n\n    {}\n\n",
                   (parts_->config.home / "secrets/admin-key").string(), key->reveal());
    }
    co_await parts_->downloads.recover();
    co_await parts_->chat.start();
    parts_->chat_archive.start();
    co_await parts_->deployments.start();
    co_await parts_->queue.start();
    parts_->system.start();
    parts_->usage.start();
    parts_->model_directory.start();
    parts_->server.start();
    log::info("ready", {{"url", url()}, {"home", parts_->config.home.string()}, {"version", LLMM_VERSION}});
}

Task<> App::stop() {
    // 1. the door: no new requests, those in work may end
    co_await parts_->server.stop(std::chrono::seconds(parts_->config.server.grace_seconds));
    parts_->events.close();
    // 2. replies still being written: kept as partial
    co_await parts_->chat.stop();
    co_await parts_->chat_archive.stop();
    co_await parts_->model_directory.stop();
    co_await parts_->usage.stop();
    // 3. background work: back into the queue
    parts_->models.stop();
    co_await parts_->system.stop();
    parts_->store.stop();
    co_await parts_->queue.stop();
    co_await parts_->hubs.stop();
    // 4. engines, which nobody asks any more
    co_await parts_->deployments.shut_down(false);
    log::info("stopped");
}

void App::reload() {
    try {
        parts_->server.reload_certificate();
        const Config now = load_config(process_environment(), {});
        log::configure(log_level(now.log.level), now.log.format == "json" ? log::Format::json : log::Format::human);
        log::info("certificate and log level read again");
    } catch (const std::exception& error) {
        log::error("the configuration was not read again", {{"error", error.what()}});
    }
}

const http::Router& App::router() const {
    return parts_->router;
}

std::string App::url() const {
    const auto& config = parts_->config;
    const auto listen = parse_listen(config.server.listen).value();
    const bool v6 = listen.address.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}", config.server.tls_certificate.empty() ? "http" : "https", v6 ? "[" : "",
                       listen.address, v6 ? "]" : "", parts_->server.port());
}

}  // namespace llmm::app
