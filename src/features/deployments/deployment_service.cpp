#include "features/deployments/deployment_service.hpp"

#include "base/async/task_group.hpp"
#include "features/deployments/deployment_json.hpp"
#include "features/deployments/deployment_recovery.hpp"
#include "integrations/engines/local_address.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

constexpr std::size_t kLongestName = 63;
constexpr std::size_t kRoomForSuffix = 5;
constexpr int kMostSuffixes = 9'999;

[[noreturn]] void refuse(std::string field, Text problem, Text allowed = {}) {
    throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                {{std::move(field), FieldProblem{std::move(problem), std::move(allowed)}}});
}

[[noreturn]] void throw_not_found(const std::string& id_or_name) {
    fail(ErrorCode::deployment_not_found, "there is no deployment {}", "部署 {} 不存在", id_or_name);
}

bool is_alnum(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) && static_cast<unsigned char>(c) < 0x80;
}
bool may_be_in_name(char c) {
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
    });
    return text;
}

void check_name(const std::string& name) {
    const bool valid =
        !name.empty() && name.size() <= kLongestName && is_alnum(name[0]) && std::ranges::all_of(name, may_be_in_name);
    if (!valid) {
        refuse("name", {"has characters that a name can't have", "名称包含不允许的字符"},
               {"1 to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
                "1 到 63 个字母、数字、'.'、'_' 或 '-'，以字母或数字开头"});
    }
    if (is_uuid(lower(name))) refuse("name", {"looks like an id", "名称不能是编号的形式"});
}

std::string name_for(const models::Model& model) {
    std::string name = lower(model.name);
    std::ranges::replace_if(name, [](char c) { return !may_be_in_name(c); }, '-');
    name.erase(0, static_cast<std::size_t>(std::ranges::find_if(name, is_alnum) - name.begin()));
    name.resize(std::min(name.size(), kLongestName - kRoomForSuffix));
    if (name.empty() || is_uuid(name)) name.insert(0, "model");
    return name;
}

void check_replicas(int replicas, std::optional<int> port) {
    if (replicas == 1 || !port) return;
    refuse("replicas", {"instances can't share a port: leave the port out", "多个副本不能共用端口，请不要指定 port"},
           {"1", "1"});
}

// An engine's formats are those of all of its templates.
void check_format(const engines::Engine& engine, const std::string& config, const std::string& format) {
    const std::string name = template_name(config);
    for (const engines::EngineDescriptor& one : engine.templates()) {
        if (one.name != name || std::ranges::find(one.formats, format) != one.formats.end()) continue;
        fail(ErrorCode::unsupported_format, "the template {} does not run models in the format {}",
             "模板 {} 无法运行 {} 格式的模型", name, format);
    }
}

// Who names the engine may try; whoever leaves the choice to us hears what would come of it.
void check_loadable(const models::Model& model, const engines::Engine& engine, const std::string& asked_engine) {
    if (model.stock_compatible.value_or(true) || asked_engine != "auto") return;
    if (engine.descriptor().name != "llama-server") return;
    fail(ErrorCode::unsupported_format,
         "Ollama writes the files of {} in a form of its own that llama-server can't load: pull a GGUF of this model "
         "from another source (hf.co/…), or deploy it on the engine \"ollama\"; with the engine \"llama-server\" it is "
         "tried all the same",
         "Ollama 以自有格式存储 {} 的文件，llama-server 无法加载：请从其他来源（hf.co/…）下载该模型的 GGUF，"
         "或使用引擎 \"ollama\" 部署；若明确指定引擎 \"llama-server\"，仍会尝试加载",
         model.name);
}

void check_replicates(const engines::Engine& engine) {
    if (engine.descriptor().replicates) return;
    refuse("replicas", {"this engine has no instances of its own", "该引擎没有可复制的实例"}, {"1", "1"});
}

void check_request(const DeploymentRequest& request) {
    if (!request.name.empty()) check_name(request.name);
    if (!is_gpu_device(request.gpu_device)) {
        refuse("gpu_device", {"names no device", "不是有效的设备"},
               {"auto, cpu, numbers as in 0,1, or GPU-<uuid>", "auto、cpu、编号（如 0,1）或 GPU-<uuid>"});
    }
    check_replicas(request.replicas, request.port);
}

}  // namespace

struct DeploymentService::Impl {
    Impl(Deps dependencies, Settings s) : deps(dependencies), settings(std::move(s)), loops(deps.executor) {
        deps.memory.activity = [this](const DeploymentId& id, const InstanceId& instance) {
            const auto found = reconcilers.find(id);
            return found == reconcilers.end() ? std::nullopt : found->second->activity(instance);
        };
        deps.memory.evict = [this](DeploymentId id, std::string reason) {
            return evict(std::move(id), std::move(reason));
        };
    }
    ~Impl() {
        deps.memory.activity = {};
        deps.memory.evict = {};
    }

    Task<> evict(DeploymentId id, std::string reason) {
        const auto found = reconcilers.find(id);
        if (found == reconcilers.end()) co_return;
        const auto loop = found->second;
        if (loop->unload(std::move(reason))) co_await loop->unloaded();
    }

    // Says at once what a start would fail with. Idle deployments that can make room are no obstacle.
    Task<> check_memory(Deployment deployment) {
        const MemoryPlan plan = co_await deps.memory.plan(deployment);
        if (!plan.fits() && plan.evictions.empty()) throw insufficient_memory(deployment.name, plan);
    }

    Task<Deployment> draft(DeploymentRequest request);

    std::shared_ptr<Reconciler> add(const Deployment& deployment, std::vector<Runner::Adopted> adopted) {
        const DeploymentId& id = deployment.id;
        const auto loop = std::make_shared<Reconciler>(
            Reconciler::Deps{deps.executor, deps.store, deps.models, deps.events, deps.files,
                             deps.engines.find(deployment.engine), deps.memory},
            Runner::Settings{.start_timeout = settings.start_timeout,
                             .stop_grace = settings.stop_grace,
                             .max_log_bytes = settings.max_log_bytes,
                             .log = deployments::log_path(settings.home, id),
                             .pace = settings.pace},
            id, std::move(adopted));
        reconcilers[id] = loop;
        loops.spawn("deployment", run(loop));
        return loop;
    }

    static Task<> run(std::shared_ptr<Reconciler> loop) { co_await loop->run(); }

    std::shared_ptr<Reconciler> loop_of(const DeploymentId& id) const {
        const auto found = reconcilers.find(id);
        if (found == reconcilers.end()) throw_not_found(id.str());
        return found->second;
    }

    Task<Deployment> find(std::string id_or_name) {
        const auto id = DeploymentId::parse(id_or_name);
        auto found = id ? co_await deps.store.find(*id) : co_await deps.store.find_by_name(id_or_name);
        if (!found) throw_not_found(id_or_name);
        co_return std::move(*found);
    }

    // The row as it is now, told to everybody.
    Task<Deployment> announced(DeploymentId id) {
        auto deployment = co_await find(id.str());
        publish_updated(deps.events, deployment);
        co_return deployment;
    }

    Task<models::Model> model_for(const DeploymentRequest& request) {
        if (!request.model_id) {
            auto model = co_await deps.models.find_ready(models::parse_model_ref(request.ref));
            if (model) co_return std::move(*model);
            throw Error(ErrorCode::model_not_found,
                        Text::format("no model {} is here: pull it first", "本地没有模型 {}，请先下载", request.ref),
                        {{"ref", request.ref}});
        }
        auto model = co_await deps.models.get(*request.model_id);
        if (model.status != models::Status::ready) {
            throw Error(ErrorCode::model_not_ready,
                        Text::format("the model is {}", "模型当前状态为 {}", models::name_of(model.status)),
                        {{"status", std::string(models::name_of(model.status))}});
        }
        co_return model;
    }

    // What somebody else's server has is a model without files.
    Task<models::Model> external_model(const DeploymentRequest& request) {
        std::string name = external_name(request.config);
        std::string ref = external_ref(request.config);
        co_return co_await deps.models.add_external(std::move(name), std::move(ref));
    }

    Task<> insert(Deployment& deployment, bool own_name) {
        const std::string base = deployment.name;
        for (int suffix = 2;; ++suffix) {
            std::optional<Error> taken;
            try {
                co_await deps.store.insert(deployment);
            } catch (const Error& error) {
                if (error.code() != ErrorCode::name_taken || own_name || suffix > kMostSuffixes) throw;
                taken = error;
            }
            if (!taken) co_return;
            deployment.name = fmt::format("{}-{}", base, suffix);
        }
    }

    Task<std::string> format_of(ModelId id) {
        const models::Model model = co_await deps.models.get(std::move(id));
        co_return model.format ? std::string(models::name_of(*model.format)) : "";
    }

    Task<> check_port(std::optional<int> port) {
        if (!port) co_return;
        if (const auto owner = co_await deps.store.port_owner(*port)) {
            throw Error(ErrorCode::port_in_use,
                        Text::format("port {} belongs to the deployment {}", "端口 {} 已分配给部署 {}", *port, *owner),
                        {{"port", std::int64_t{*port}}, {"deployment", *owner}});
        }
        co_await deps.files.run([port] { engines::check_port_free(*port); });
    }

    // Before something is started: an engine that is not here is said at once, not by a deployment that fails.
    Task<> check_available(const Deployment& deployment) {
        co_await deployments::check_available(deps.engines.get(deployment.engine));
    }

    const Deps deps;
    const Settings settings;
    std::map<DeploymentId, std::shared_ptr<Reconciler>> reconcilers;
    TaskGroup loops;
};

DeploymentService::DeploymentService(Deps deps, Settings settings)
    : impl_(std::make_unique<Impl>(deps, std::move(settings))) {}
DeploymentService::~DeploymentService() = default;

Task<> DeploymentService::start() {
    auto adopted = co_await recover_engines(impl_->deps.store, impl_->deps.engines, impl_->settings.home,
                                            impl_->settings.stop_grace);
    for (const Deployment& deployment : co_await impl_->deps.store.all()) {
        auto engines = std::move(adopted[deployment.id]);
        const bool idle = deployment.on_demand && engines.empty();
        const auto loop = impl_->add(deployment, std::move(engines));
        if (idle) loop->wait_for_request();
    }
}

Task<> DeploymentService::shut_down(bool leave_engines) {
    for (const auto& [id, loop] : impl_->reconcilers) {
        loop->finish(leave_engines ? Runner::Leave::running : Runner::Leave::stopped);
    }
    co_await impl_->loops.wait();
    for (const auto& engine : impl_->deps.engines.all())
        co_await engine->close();
}

Task<Deployment> DeploymentService::Impl::draft(DeploymentRequest request) {
    check_request(request);
    const bool is_external = request.engine != "auto" && !deps.engines.get(request.engine).descriptor().needs_model;
    if (is_external) deployments::check_config(deps.engines.get(request.engine), request.config);
    const models::Model model = is_external ? co_await external_model(request) : co_await model_for(request);
    const EngineChoice choice = co_await choose_engine(
        deps.engines, request.engine, model.format ? std::string(models::name_of(*model.format)) : "", request.config);
    engines::Engine& engine = *choice.engine;
    const std::string format = model.format ? std::string(models::name_of(*model.format)) : "";
    const std::string config = engine.complete(request.config, format);
    deployments::check_config(engine, config);
    check_format(engine, config, format);
    check_loadable(model, engine, request.engine);
    if (request.replicas > 1) check_replicates(engine);
    co_await check_port(request.port);

    const TimePoint time = now();
    const DeploymentId id = DeploymentId::generate();
    co_return Deployment{.id = id,
                         .model_id = model.id,
                         .model_ref = model.ref,
                         .name = request.name.empty() ? name_for(model) : request.name,
                         .engine = std::string(engine.descriptor().name),
                         .engine_reason = choice.reason,
                         .status = request.auto_start ? Status::deploying : Status::stopped,
                         .desired = request.auto_start ? Desired::running : Desired::stopped,
                         .port = request.port,
                         .gpu_device = request.gpu_device,
                         .config = config,
                         .effective = {},
                         .replicas = request.replicas,
                         .idle_unload_seconds = request.idle_unload_seconds,
                         .last_error = {},
                         .restarts = 0,
                         .instances = {},
                         .created_at = time,
                         .updated_at = time,
                         .on_demand = !request.auto_start,
                         .pinned = request.pinned};
}

Task<DeploymentService::Plan> DeploymentService::plan(DeploymentRequest request) {
    Deployment deployment = co_await impl_->draft(std::move(request));
    MemoryPlan memory = co_await impl_->deps.memory.plan(deployment);
    co_await impl_->deps.models.remove_external(deployment.model_id);
    co_return Plan{std::move(deployment), std::move(memory)};
}

Task<Deployment> DeploymentService::create(DeploymentRequest request) {
    const bool own_name = !request.name.empty();
    Deployment deployment = co_await impl_->draft(std::move(request));
    if (deployment.desired == Desired::running) co_await impl_->check_memory(deployment);
    // Secrets never reach the database.
    engines::Engine& engine = impl_->deps.engines.get(deployment.engine);
    deployment.config = co_await engine.keep_secrets(deployment.id.str(), deployment.config);
    std::exception_ptr failure;
    try {
        co_await impl_->insert(deployment, own_name);
    } catch (const Error&) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await engine.forget(deployment.id.str());
        std::rethrow_exception(failure);
    }
    publish_created(impl_->deps.events, deployment);
    impl_->add(deployment, {});
    co_return deployment;
}

Task<storage::Page<Deployment>> DeploymentService::list(DeploymentQuery query) {
    co_return co_await impl_->deps.store.list(std::move(query));
}

Task<Deployment> DeploymentService::get(std::string id_or_name) {
    co_return co_await impl_->find(std::move(id_or_name));
}

Task<Deployment> DeploymentService::update(std::string id_or_name, DeploymentChanges changes) {
    if (changes.name) check_name(*changes.name);
    const Deployment before = co_await impl_->find(std::move(id_or_name));
    if (changes.config) {
        engines::Engine& engine = impl_->deps.engines.get(before.engine);
        // What was chosen at the beginning stays, unless the new config names another.
        changes.config = engine.complete(*changes.config, co_await impl_->format_of(before.model_id));
        deployments::check_config(engine, *changes.config);
        const std::string kept = co_await engine.keep_secrets(before.id.str(), *changes.config);
        // A new secret alone changes nothing that the row shows.
        if (kept != *changes.config) impl_->loop_of(before.id)->restart();
        changes.config = kept;
    }
    if (changes.replicas) {
        check_replicas(*changes.replicas, before.port);
        if (*changes.replicas > 1) check_replicates(impl_->deps.engines.get(before.engine));
    }
    if (!co_await impl_->deps.store.update(before.id, {changes.name, changes.config, changes.idle_unload_seconds,
                                                       changes.replicas, changes.on_demand, changes.pinned})) {
        throw_not_found(before.id.str());
    }
    impl_->loop_of(before.id)->poke();
    co_return co_await impl_->announced(before.id);
}

Task<DeploymentId> DeploymentService::remove(std::string id_or_name) {
    const Deployment deployment = co_await impl_->find(std::move(id_or_name));
    const DeploymentId& id = deployment.id;
    const auto loop = impl_->loop_of(id);
    co_await impl_->deps.store.set_desired(id, Desired::stopped);
    loop->finish(Runner::Leave::stopped);
    co_await loop->ended();
    if (!co_await impl_->deps.store.remove(id)) throw_not_found(id.str());
    impl_->reconcilers.erase(id);
    if (engines::Engine* engine = impl_->deps.engines.find(deployment.engine)) co_await engine->forget(id.str());
    co_await impl_->deps.models.remove_external(deployment.model_id);
    publish_deleted(impl_->deps.events, id);
    co_return id;
}

Task<std::pair<Deployment, bool>> DeploymentService::start(std::string id_or_name) {
    const Deployment before = co_await impl_->find(std::move(id_or_name));
    const bool runs =
        before.desired == Desired::running && (before.status == Status::running || before.status == Status::deploying);
    if (runs) co_return std::pair(before, false);
    co_await impl_->check_available(before);
    co_await impl_->check_memory(before);
    co_await impl_->deps.store.set_desired(before.id, Desired::running);
    impl_->loop_of(before.id)->retry();
    co_return std::pair(co_await impl_->announced(before.id), true);
}

Task<std::pair<Deployment, bool>> DeploymentService::stop(std::string id_or_name) {
    const Deployment before = co_await impl_->find(std::move(id_or_name));
    const bool stopped = before.desired == Desired::stopped && before.status == Status::stopped;
    if (stopped && !before.on_demand) co_return std::pair(before, false);
    co_await impl_->deps.store.set_desired(before.id, Desired::stopped);
    impl_->loop_of(before.id)->poke();
    co_return std::pair(co_await impl_->announced(before.id), true);
}

Task<Deployment> DeploymentService::restart(std::string id_or_name) {
    const Deployment before = co_await impl_->find(std::move(id_or_name));
    co_await impl_->check_available(before);
    co_await impl_->deps.store.set_desired(before.id, Desired::running);
    impl_->loop_of(before.id)->restart();
    co_return co_await impl_->announced(before.id);
}

Task<std::vector<DeploymentEvent>> DeploymentService::events(std::string id_or_name) {
    const Deployment deployment = co_await impl_->find(std::move(id_or_name));
    co_return co_await impl_->deps.store.events(deployment.id);
}

std::optional<engines::MetricNames> DeploymentService::metric_names(const Deployment& deployment) const {
    const engines::Engine* engine = impl_->deps.engines.find(deployment.engine);
    return engine ? engine->metrics(deployment.config) : std::nullopt;
}

std::filesystem::path DeploymentService::log_path(const DeploymentId& id) const {
    return deployments::log_path(impl_->settings.home, id);
}

Task<std::vector<EngineInfo>> DeploymentService::engines() {
    std::vector<EngineInfo> found;
    for (const auto& engine : impl_->deps.engines.all())
        found.push_back({.engine = engine.get(), .availability = co_await engine->availability()});
    co_return found;
}

std::vector<std::shared_ptr<Upstream>> DeploymentService::upstreams(const DeploymentId& id) const {
    const auto found = impl_->reconcilers.find(id);
    return found == impl_->reconcilers.end() ? std::vector<std::shared_ptr<Upstream>>() : found->second->upstreams();
}

LoadProgress DeploymentService::progress(const DeploymentId& id) const {
    return impl_->loop_of(id)->progress();
}

Task<EngineLease> DeploymentService::ensure_ready(DeploymentId id, std::chrono::steady_clock::time_point deadline,
                                                  std::uint64_t affinity) {
    const auto loop = impl_->loop_of(id);  // kept: the deployment may be deleted meanwhile
    co_return co_await loop->ensure_ready(deadline, affinity);
}

std::uint64_t DeploymentService::affinity_of(std::string_view prompt) {
    constexpr std::size_t kBeginning = 1024;  // bytes: system prompts and histories that begin alike share these
    return std::hash<std::string_view>{}(prompt.substr(0, kBeginning)) | 1u;
}

std::optional<EngineLease> DeploymentService::lease_if_ready(const DeploymentId& id, std::uint64_t affinity) {
    const auto found = impl_->reconcilers.find(id);
    return found == impl_->reconcilers.end() ? std::nullopt : found->second->lease_if_ready(affinity);
}

}  // namespace llmm::deployments
