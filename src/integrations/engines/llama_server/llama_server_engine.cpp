#include "integrations/engines/llama_server/llama_server_engine.hpp"

#include "base/fs/file.hpp"
#include "base/json/json.hpp"
#include "integrations/engines/failure.hpp"
#include "integrations/engines/llama_server/startup_log.hpp"
#include "integrations/engines/local_address.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines::llama_server {
namespace {

constexpr std::string_view kSocketSuffix = ".sock";
// A start writes some two hundred lines, more with many tensors.
constexpr std::size_t kLinesOfAStart = 2000;

[[noreturn]] void throw_unavailable(Text reason) {
    throw Error(ErrorCode::engine_unavailable, std::move(reason),
                {{"engine", std::string(kDescriptor.name)},
                 {"install", std::string("scripts/install-llama-server")},
                 {"variable", std::string("LLM_MANAGER_LLAMA_SERVER")}});
}

// In the words of the contract.
std::string to_contract(const json::object& reported, const StartupLog& said) {
    const auto value = [&reported](std::string_view name) {
        const json::value* found = reported.if_contains(name);
        return found ? *found : json::value(nullptr);
    };
    const json::value per_slot = value("context_size");
    const json::value parallel = value("parallel");
    json::value total;
    if (per_slot.is_int64() && parallel.is_int64()) total = per_slot.get_int64() * parallel.get_int64();
    json::object effective{
        {"context_size", std::move(total)},
        {"context_per_slot", per_slot},
        {"parallel", parallel},
        {"engine_version", value("build")},
        {"model_file", value("model_file")},
        {"chat_template_sha256", value("chat_template_sha256")},
        {"gpu_layers", said.gpu_layers ? json::value(*said.gpu_layers) : json::value(nullptr)},
        {"cache_type_k", said.cache_type_k ? json::value(*said.cache_type_k) : json::value(nullptr)},
        {"cache_type_v", said.cache_type_v ? json::value(*said.cache_type_v) : json::value(nullptr)}};
    const json::value can_read = value("modalities");
    if (const json::object* modalities = can_read.if_object()) {
        for (const auto& [name, supported] : *modalities) {
            if (supported.is_bool()) effective[name] = supported;
        }
    }
    return json::serialize(effective);
}

class RunningLlamaServer final : public LocalInstance {
  public:
    RunningLlamaServer(LocalHost host, const Order& order, Process process, Endpoint endpoint, SecretString key)
        : LocalInstance(std::move(host), order, std::move(process), std::move(endpoint), std::move(key)),
          log_(order.log) {}
    Task<Health> probe() override { co_return co_await health(*upstream()); }
    Task<std::string> effective() override {
        const json::object reported = co_await llama_server::effective(*upstream());
        const auto said = co_await host_.files.run([this] { return read_startup_log(tail_log(log_, kLinesOfAStart)); });
        co_return to_contract(reported, said);
    }
    FailureCause explain(const std::vector<std::string>& log) const override {
        return explain_failure(log, ended_with());
    }

  private:
    const std::filesystem::path log_;
};

}  // namespace

OptionValues options_of(const Order& order) {
    json::value config = parse_own_json(order.config);
    if (order.gpu_device == "cpu") config.as_object()["gpu_layers"] = 0;
    return parse_options(config);
}

Task<Program> LlamaServerEngine::program() {
    auto location = co_await host_.files.run([this] { return locate(places_); });
    if (!location.program) throw_unavailable(std::move(location.reason));
    std::error_code missing;
    const auto changed_at = std::filesystem::last_write_time(*location.program, missing);
    if (!known_ || known_->program.path != *location.program || known_->changed_at != changed_at) {
        std::optional<Error> failure;
        try {
            known_ = Known{co_await llama_server::probe(*location.program), changed_at};
        } catch (const Error& error) {
            failure = error;
        }
        if (failure && failure->code() != ErrorCode::engine_unavailable) throw *failure;
        if (failure) throw_unavailable(failure->message());
    }
    co_return known_->program;
}

Task<Availability> LlamaServerEngine::availability() {
    try {
        const Program found = co_await program();
        co_return Availability{.version = found.build ? fmt::format("b{}", *found.build) : found.version, .reason = {}};
    } catch (const Error& error) {
        if (error.code() != ErrorCode::engine_unavailable) throw;
        co_return Availability{.version = {}, .reason = error.message(), .remedy = error.details()};
    }
}

std::optional<MetricNames> LlamaServerEngine::metrics(const std::string&) const {
    return *metric_names("llama.cpp");
}

std::optional<MemorySettings> LlamaServerEngine::memory_settings(const std::string& config,
                                                                 const std::string& gpu_device, bool has_gpu) const {
    const Order order{.deployment = {},
                      .instance = {},
                      .name = {},
                      .model = {},
                      .model_ref = {},
                      .gpu_device = gpu_device,
                      .port = {},
                      .config = config,
                      .log = {}};
    return llama_server::memory_settings(options_of(order), has_gpu);
}

Details LlamaServerEngine::check(const std::string& config) const {
    return validate(parse_own_json(config));
}

Task<Endpoint> LlamaServerEngine::address_for(std::string instance, std::optional<int> port) {
    if (port) {
        co_await host_.files.run([port] { check_port_free(*port); });
        co_return TcpEndpoint{"127.0.0.1", static_cast<std::uint16_t>(*port)};
    }
    co_return co_await host_.files.run([&] {
        const UnixEndpoint endpoint{private_file(host_.home, instance, kSocketSuffix).native()};
        remove_socket(endpoint);
        return endpoint;
    });
}

Task<Record> LlamaServerEngine::prepare(const Order& order) {
    co_await program();
    const Endpoint endpoint = co_await address_for(order.instance, order.port);
    co_return Record{.process = {}, .container = {}, .endpoint = to_string(endpoint)};
}

Task<std::unique_ptr<EngineInstance>> LlamaServerEngine::start(Order order, Record prepared) {
    const auto endpoint = parse_endpoint(prepared.endpoint).value();
    const Program found = co_await program();
    SecretString key;
    Variables environment = local_environment(host_, order);
    if (found.offers("--api-key-file"))
        key = co_await host_.files.run([&] { return make_engine_key(host_, order.instance); });
    co_await host_.files.run([&order] { make_directories(order.log.parent_path()); });
    const ProcessSpec spec =
        process_spec({.program = found,
                      .model = order.model,
                      .alias = order.name,
                      .endpoint = endpoint,
                      .options = options_of(order),
                      .directory = host_.home,
                      .log = order.log,
                      .key_file = key.empty() ? std::filesystem::path() : engine_key_file(host_, order.instance),
                      .environment = std::move(environment)});
    Process process = Process::start(host_.executor, spec);
    co_return std::make_unique<RunningLlamaServer>(host_, order, std::move(process), endpoint, std::move(key));
}

Task<std::unique_ptr<EngineInstance>> LlamaServerEngine::adopt(Order order, Record record) {
    auto process = co_await find_process(host_, order.instance, record);
    const auto endpoint = parse_endpoint(record.endpoint);
    if (!process || !endpoint) {
        if (endpoint) co_await host_.files.run([&] { remove_leftovers(host_, order.instance, *endpoint); });
        co_return nullptr;
    }
    SecretString key = co_await host_.files.run([&] { return read_engine_key(host_, order.instance); });
    co_return std::make_unique<RunningLlamaServer>(host_, order, std::move(*process), *endpoint, std::move(key));
}

Task<> LlamaServerEngine::sweep(std::vector<Record> kept, std::chrono::milliseconds grace) {
    co_await sweep_processes(host_, std::move(kept), grace);
}

}  // namespace llmm::engines::llama_server
