#include "integrations/engines/process/process_engine.hpp"

#include "base/fs/file.hpp"
#include "integrations/engines/failure.hpp"
#include "integrations/engines/local_address.hpp"
#include "integrations/engines/template/template_api.hpp"

#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::engines {
namespace {

bool is_program(const std::filesystem::path& path) {
    std::error_code missing;
    return std::filesystem::is_regular_file(path, missing) && ::access(path.c_str(), X_OK) == 0;
}

class RunningProcess final : public LocalInstance {
  public:
    RunningProcess(LocalHost host, const Order& order, Process process, Endpoint endpoint, SecretString key,
                   const EngineTemplate* engine)
        : LocalInstance(std::move(host), order, std::move(process), std::move(endpoint), std::move(key)),
          health_path_(engine ? engine->health_path() : "/health") {}

    Task<Health> probe() override { co_return co_await probe_path(*upstream(), health_path_); }
    Task<std::string> effective() override { co_return co_await describe_engine(*upstream()); }
    FailureCause explain(const std::vector<std::string>& log) const override {
        return explain_failure(log, ended_with());
    }

  private:
    std::string health_path_;
};

}  // namespace

ProcessEngine::ProcessEngine(LocalHost host, Settings settings)
    : host_(std::move(host)),
      settings_(std::move(settings)),
      descriptor_{.name = "process", .title = "Programs", .formats = {}, .options = {}} {
    take(load_templates(TemplateKind::process, settings_.templates));
}

void ProcessEngine::take(Templates templates) {
    all_ = std::make_shared<const Templates>(std::move(templates));
    formats_.clear();
    for (const auto& [name, engine] : *all_) {
        if (!find_program(engine)) continue;
        for (const std::string_view format : engine.formats()) {
            if (std::ranges::find(formats_, format) == formats_.end()) formats_.push_back(format);
        }
    }
    descriptor_.formats = formats_;
}

std::vector<EngineDescriptor> ProcessEngine::templates() const {
    std::vector<EngineDescriptor> result;
    for (const auto& [name, engine] : *all_)
        result.push_back(engine.descriptor());
    return result;
}

std::optional<std::filesystem::path> ProcessEngine::find_program(const EngineTemplate& engine) const {
    const std::filesystem::path program = engine.program();
    if (program.is_absolute()) return is_program(program) ? std::optional(program) : std::nullopt;
    std::istringstream folders(settings_.path_variable);
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (folder.starts_with('/') && is_program(std::filesystem::path(folder) / program))
            return std::filesystem::path(folder) / program;
    }
    return std::nullopt;
}

Task<Availability> ProcessEngine::availability() {
    take(co_await host_.files.run([this] { return load_templates(TemplateKind::process, settings_.templates); }));
    if (!formats_.empty()) co_return Availability{};
    co_return Availability{.version = {},
                           .reason = Text{"no program of its templates is installed", "其模板所用的程序均未安装"}};
}

std::optional<MetricNames> ProcessEngine::metrics(const std::string& config) const {
    const EngineTemplate* engine = template_of(*all_, config);
    return engine && !engine->metrics().empty() ? std::optional(engine->metric_names()) : std::nullopt;
}

std::optional<llama_server::MemorySettings> ProcessEngine::memory_settings(const std::string& config,
                                                                           const std::string& gpu_device,
                                                                           bool has_gpu) const {
    const EngineTemplate* engine = template_of(*all_, config);
    return engine ? engine->memory_settings(config, has_gpu && gpu_device != "cpu") : std::nullopt;
}

Details ProcessEngine::check(const std::string& config) const {
    return check_config(*all_, config);
}

// Only of templates whose programs are here, where one is.
std::string ProcessEngine::complete(const std::string& config, std::string_view format) const {
    return with_template(*all_, config, format,
                         [this](const EngineTemplate& engine) { return find_program(engine).has_value(); });
}

Task<Record> ProcessEngine::prepare(const Order& order) {
    co_await availability();
    const auto templates = all_;
    const EngineTemplate& engine = get_template(*templates, order.config);
    const auto program = co_await host_.files.run([&] { return find_program(engine); });
    if (!program) {
        throw Error(ErrorCode::engine_unavailable,
                    Text::format("the program {} of this template is not installed", "该模板的程序 {} 未安装",
                                 engine.program()),
                    {{"engine", std::string("process")}});
    }
    const int port = co_await host_.files.run([&order] {
        if (order.port) check_port_free(*order.port);
        return order.port ? *order.port : find_free_port();
    });
    co_return Record{.process = {},
                     .container = {},
                     .endpoint = to_string(Endpoint(TcpEndpoint{"127.0.0.1", static_cast<std::uint16_t>(port)}))};
}

Task<std::unique_ptr<EngineInstance>> ProcessEngine::start(Order order, Record prepared) {
    const auto endpoint = parse_endpoint(prepared.endpoint).value();
    const auto templates = all_;
    const EngineTemplate& engine = get_template(*templates, order.config);
    const auto program = co_await host_.files.run([&] { return find_program(engine); });
    SecretString key;
    if (!engine.key_variable().empty())
        key = co_await host_.files.run([&] { return make_engine_key(host_, order.instance); });
    co_await host_.files.run([&order] { make_directories(order.log.parent_path()); });
    std::filesystem::path directory = host_.home;
    if (engine.calls_model_by_path())
        directory = co_await host_.files.run([&] { return make_model_link(host_, order); });
    const TemplateValues values{.model = engine.calls_model_by_path() ? order.name : order.model.native(),
                                .name = order.name,
                                .port = std::get<TcpEndpoint>(endpoint).port};
    ProcessSpec spec{.program = program.value_or(engine.program()),
                     .arguments = engine.arguments(values, order.config),
                     .environment = {{"PATH", settings_.path_variable},
                                     {"HOME", host_.home.native()},
                                     {"LANG", "C.UTF-8"},
                                     // Nothing is fetched behind our back.
                                     {"HF_HUB_OFFLINE", "1"},
                                     {"TRANSFORMERS_OFFLINE", "1"}},
                     .working_directory = directory,
                     .output = order.log};
    for (const auto& [name, value] : engine.environment())
        spec.environment.emplace_back(name, value);
    if (!key.empty()) spec.environment.emplace_back(engine.key_variable(), key.reveal());
    for (auto& variable : local_environment(host_, order))
        spec.environment.push_back(std::move(variable));
    Process process = Process::start(host_.executor, spec);
    co_return std::make_unique<RunningProcess>(host_, order, std::move(process), endpoint, std::move(key), &engine);
}

Task<std::unique_ptr<EngineInstance>> ProcessEngine::adopt(Order order, Record record) {
    auto process = co_await find_process(host_, order.instance, record);
    const auto endpoint = parse_endpoint(record.endpoint);
    if (!process || !endpoint) {
        co_await host_.files.run([&] { remove_leftovers(host_, order.instance, UnixEndpoint{}); });
        co_return nullptr;
    }
    SecretString key = co_await host_.files.run([&] { return read_engine_key(host_, order.instance); });
    co_return std::make_unique<RunningProcess>(host_, order, std::move(*process), *endpoint, std::move(key),
                                               template_of(*all_, order.config));
}

Task<> ProcessEngine::sweep(std::vector<Record> kept, std::chrono::milliseconds grace) {
    co_await sweep_processes(host_, std::move(kept), grace);
}

}  // namespace llmm::engines
