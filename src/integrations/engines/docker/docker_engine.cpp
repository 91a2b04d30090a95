#include "integrations/engines/docker/docker_engine.hpp"

#include "base/async/signal.hpp"
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "base/time/time.hpp"
#include "integrations/engines/failure.hpp"
#include "integrations/engines/local_address.hpp"
#include "integrations/engines/template/template_api.hpp"

#include <algorithm>
#include <fcntl.h>
#include <set>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::engines::docker {
namespace {

using llmm::docker::ContainerState;
using llmm::docker::DockerClient;

constexpr std::string_view kHomeLabel = "io.llm-manager.home";
constexpr std::chrono::seconds kReconnect{1};
constexpr int kSignalExit = 128;  // an exit code beyond it is a signal's number more
constexpr std::size_t kMaxModelFiles = 2000;

std::string container_name(const std::string& instance) {
    return "llm-manager-" + instance;
}

// Files of a model with what links point to, because inside a container nothing else is there.
std::vector<std::pair<std::filesystem::path, std::string>> files_of(const std::filesystem::path& model) {
    std::vector<std::pair<std::filesystem::path, std::string>> files;
    const auto folder = std::filesystem::is_directory(model) ? model : model.parent_path();
    const bool split = !std::filesystem::is_directory(model) && model.filename().native().contains("-of-");
    if (!std::filesystem::is_directory(model) && !split)
        return {{std::filesystem::canonical(model), model.filename().native()}};
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!std::filesystem::is_regular_file(entry.path()) || files.size() >= kMaxModelFiles) continue;
        files.emplace_back(std::filesystem::canonical(entry.path()),
                           entry.path().lexically_relative(folder).native());  // a link's own name
    }
    return files;
}

// The copy's time of change is that of its last line by Docker's clock, so that a later run goes on right behind it.
std::chrono::nanoseconds written_until(const std::filesystem::path& log) {
    struct stat info{};
    if (::stat(log.c_str(), &info) != 0) return {};
    return std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
}

void append(const std::filesystem::path& log, const std::string& text, std::chrono::nanoseconds until) {
    const UniqueFd file = open_file(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t count = ::write(file.get(), text.data() + done, text.size() - done);
        if (count < 0 && errno != EINTR) throw_errno("write log", errno);
        if (count > 0) done += static_cast<std::size_t>(count);
    }
    const auto seconds = std::chrono::floor<std::chrono::seconds>(until);
    const timespec changed{.tv_sec = seconds.count(), .tv_nsec = (until - seconds).count()};
    const timespec times[2]{{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, changed};
    if (::futimens(file.get(), times) != 0) throw_errno("futimens", errno);
}

struct LogCopy {
    LocalHost host;
    DockerClient& client;
    std::string container;
    std::filesystem::path log;
    std::chrono::nanoseconds since;
};

Task<> append_later(LogCopy& copy, DockerClient::LogPiece piece) {
    copy.since = piece.time + std::chrono::nanoseconds(1);
    co_await copy.host.files.run([&] { append(copy.log, piece.text, copy.since); });
}

// Until the container is gone. The connection breaks when Docker is started again.
Task<> copy_log(LogCopy copy) {
    while (true) {
        std::exception_ptr failure;
        try {
            co_await copy.client.follow_log(copy.container, copy.since, [&copy](DockerClient::LogPiece piece) {
                return append_later(copy, std::move(piece));
            });
        } catch (const Error&) {
            failure = std::current_exception();
        }
        bool goes_on = failure != nullptr;
        try {
            const auto state = co_await copy.client.inspect(copy.container);
            goes_on = state && state->running;
        } catch (const Error&) {
            goes_on = true;  // Docker does not answer: later
        }
        if (!goes_on) co_return;
        co_await sleep_for(kReconnect);
    }
}

class RunningContainer final : public EngineInstance {
  public:
    RunningContainer(LocalHost host, DockerClient& client, const Order& order, const EngineTemplate* engine,
                     std::string container, int port, const SecretString& key)
        : host_(std::move(host)),
          client_(client),
          instance_(order.instance),
          name_(order.name),
          container_(std::move(container)),
          health_path_(engine ? engine->health_path() : "/health"),
          endpoint_(TcpEndpoint{"127.0.0.1", static_cast<std::uint16_t>(port)}),
          upstream_(std::make_shared<Upstream>(endpoint_, UpstreamOptions{.headers = engine_key_headers(key)})) {}

    Record record() const override {
        return {.process = {}, .container = container_, .endpoint = to_string(endpoint_)};
    }
    std::shared_ptr<Upstream> upstream() const override { return upstream_; }
    std::string model() const override { return name_; }

    // Docker's own long answer wakes us; whether the container has really ended is asked each time.
    Task<std::string> wait() override {
        while (true) {
            try {
                co_await client_.wait_end(container_);
            } catch (const Error&) {
                // Docker was stopped, which may or may not have ended the container.
            }
            bool unknown = false;
            try {
                end_ = co_await client_.inspect(container_);
                if (!end_) co_return "its container was removed";
                if (!end_->running && end_->status != "created" && end_->status != "restarting")
                    co_return describe(*end_);
            } catch (const Error&) {
                unknown = true;
            }
            if (unknown) end_.reset();
            co_await sleep_for(kReconnect);
        }
    }
    Task<Health> probe() override { co_return co_await probe_path(*upstream_, health_path_); }
    Task<std::string> effective() override { co_return co_await describe_engine(*upstream_); }
    Task<std::optional<std::uint64_t>> memory() override {
        try {
            co_return co_await client_.memory(container_);
        } catch (const Error&) {
            co_return std::nullopt;
        }
    }
    FailureCause explain(const std::vector<std::string>& log) const override {
        if (end_ && end_->out_of_memory) return explain_failure({}, {.code = {}, .signal = SIGKILL});
        return explain_failure(log, status());
    }
    Task<> stop(std::chrono::milliseconds grace) override {
        co_await client_.stop(container_, std::chrono::ceil<std::chrono::seconds>(grace));
        co_await client_.remove(container_);
        co_await host_.files.run([this] { remove_leftovers(host_, instance_, endpoint_); });
    }

  private:
    static std::string describe(const ContainerState& state) {
        if (state.out_of_memory) return "out of its container's memory";
        if (!state.error.empty()) return state.error;
        if (state.exit_code > kSignalExit)
            return ExitStatus{.code = {}, .signal = state.exit_code - kSignalExit}.to_string();
        return ExitStatus{.code = state.exit_code, .signal = {}}.to_string();
    }
    ExitStatus status() const {
        if (!end_) return {};
        if (end_->exit_code > kSignalExit) return {.code = {}, .signal = end_->exit_code - kSignalExit};
        return {.code = end_->exit_code, .signal = {}};
    }

    LocalHost host_;
    DockerClient& client_;
    std::string instance_, name_, container_, health_path_;
    Endpoint endpoint_;
    std::shared_ptr<Upstream> upstream_;
    std::optional<ContainerState> end_;
};

}  // namespace

DockerEngine::DockerEngine(LocalHost host, Settings settings)
    : host_(std::move(host)),
      settings_(std::move(settings)),
      client_(settings_.socket),
      templates_(std::make_shared<const Templates>(load_templates(TemplateKind::docker, settings_.templates))),
      formats_(formats_of(*templates_)),
      descriptor_{.name = "docker", .title = "Docker", .formats = formats_, .options = {}, .needs_service = true},
      logs_(host_.executor) {}

DockerEngine::~DockerEngine() = default;

std::vector<EngineDescriptor> DockerEngine::templates() const {
    std::vector<EngineDescriptor> result;
    for (const auto& [name, engine] : *templates_)
        result.push_back(engine.descriptor());
    return result;
}

Task<> DockerEngine::load() {
    templates_ = std::make_shared<const Templates>(
        co_await host_.files.run([this] { return load_templates(TemplateKind::docker, settings_.templates); }));
    formats_ = formats_of(*templates_);
    descriptor_.formats = formats_;
}

Task<Availability> DockerEngine::availability() {
    co_await load();
    if (templates_->empty())
        co_return Availability{.version = {}, .reason = Text{"it has no templates", "没有可用的模板"}};
    try {
        co_return Availability{.version = co_await client_.version(), .reason = {}};
    } catch (const Error& error) {
        co_return Availability{.version = {}, .reason = error.message()};
    }
}

std::optional<MetricNames> DockerEngine::metrics(const std::string& config) const {
    const EngineTemplate* engine = template_of(*templates_, config);
    return engine && !engine->metrics().empty() ? std::optional(engine->metric_names()) : std::nullopt;
}

std::optional<llama_server::MemorySettings> DockerEngine::memory_settings(const std::string& config,
                                                                          const std::string& gpu_device,
                                                                          bool has_gpu) const {
    const EngineTemplate* engine = template_of(*templates_, config);
    if (!engine) return std::nullopt;
    return engine->memory_settings(config, has_gpu && engine->uses_gpus() && gpu_device != "cpu");
}

Details DockerEngine::check(const std::string& config) const {
    return check_config(*templates_, config);
}

std::string DockerEngine::complete(const std::string& config, std::string_view format) const {
    std::error_code missing;
    const bool has_gpu =
        std::filesystem::exists("/dev/nvidiactl", missing) || std::filesystem::exists("/dev/kfd", missing);
    return with_template(*templates_, config, format,
                         [has_gpu](const EngineTemplate& engine) { return has_gpu || !engine.uses_gpus(); });
}

std::string DockerEngine::home_label() const {
    return Sha256::of(host_.home.native()).hex();
}

Task<Record> DockerEngine::prepare(const Order& order) {
    co_await load();
    const std::string image = get_template(*templates_, order.config).image();
    if (order.port) co_await host_.files.run([&order] { check_port_free(*order.port); });
    if (!co_await client_.has_image(image)) co_await settings_.pull(image);
    co_return Record{};
}

Task<> DockerEngine::fetch_image(std::string image, std::function<void(double)> report) {
    co_await client_.pull(std::move(image), [&report](llmm::docker::PullProgress progress) {
        if (progress.total > 0) report(static_cast<double>(progress.done) / static_cast<double>(progress.total));
    });
}

Task<std::unique_ptr<EngineInstance>> DockerEngine::start(Order order, Record) {
    const auto templates = templates_;
    const EngineTemplate& engine = get_template(*templates, order.config);
    SecretString key;
    if (!engine.key_variable().empty())
        key = co_await host_.files.run([&] { return make_engine_key(host_, order.instance); });
    auto files = co_await host_.files.run([&order] {
        make_directories(order.log.parent_path());
        return files_of(order.model);
    });
    const bool is_folder = co_await host_.files.run([&order] { return std::filesystem::is_directory(order.model); });
    const std::string body =
        container_body({.engine = engine,
                        .order = order,
                        .home_label = home_label(),
                        .files = std::move(files),
                        .model = is_folder ? "/models" : "/models/" + order.model.filename().native(),
                        .key = key.reveal(),
                        .user = ::geteuid(),
                        .group = ::getegid()});
    const std::string container = co_await client_.create(container_name(order.instance), body);
    std::exception_ptr failure;
    try {
        co_await client_.start(container);
    } catch (const Error&) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await client_.remove(container);
        std::rethrow_exception(failure);
    }
    co_return co_await watch(std::move(order), container, {});
}

// Null when it has ended.
Task<std::unique_ptr<EngineInstance>> DockerEngine::watch(Order order, std::string container,
                                                          std::chrono::nanoseconds since) {
    const auto state = co_await client_.inspect(container);
    if (!state) co_return nullptr;
    SecretString key = co_await host_.files.run([&] { return read_engine_key(host_, order.instance); });
    logs_.spawn("container log", copy_log({host_, client_, container, order.log, since}));
    // One that has ended at once has no port; its end is seen with the first look.
    co_return std::make_unique<RunningContainer>(host_, client_, order, template_of(*templates_, order.config),
                                                 std::move(container), state->host_port.value_or(1), key);
}

// The row may lack the container's id: its name and labels are of the instance.
Task<std::unique_ptr<EngineInstance>> DockerEngine::adopt(Order order, Record record) {
    const std::string container = record.container.empty() ? container_name(order.instance) : record.container;
    std::optional<ContainerState> state;
    bool unknown = false;
    try {
        state = co_await client_.inspect(container);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::engine_unavailable) throw;
        unknown = true;
    }
    const auto endpoint = parse_endpoint(record.endpoint);
    if (unknown && !record.container.empty() && endpoint && std::holds_alternative<TcpEndpoint>(*endpoint)) {
        // Docker does not answer now: whether the container is still there is found out while it is watched.
        SecretString key = co_await host_.files.run([&] { return read_engine_key(host_, order.instance); });
        co_return std::make_unique<RunningContainer>(host_, client_, order, template_of(*templates_, order.config),
                                                     container, std::get<TcpEndpoint>(*endpoint).port, key);
    }
    if (!state || !state->running) {
        if (state) co_await client_.remove(container);
        co_await host_.files.run([&] { remove_leftovers(host_, order.instance, UnixEndpoint{}); });
        co_return nullptr;
    }
    const auto since = co_await host_.files.run([&order] { return written_until(order.log); });
    co_return co_await watch(std::move(order), container, since);
}

Task<> DockerEngine::sweep(std::vector<Record> kept, std::chrono::milliseconds grace) {
    std::set<std::string> ids;
    for (const Record& record : kept)
        ids.insert(record.container);
    try {
        for (const auto& found : co_await client_.list(fmt::format("{}={}", kHomeLabel, home_label()))) {
            if (ids.contains(found.id)) continue;
            log::info("ends a container that nobody wants", {{"container", found.id}});
            co_await client_.stop(found.id, std::chrono::ceil<std::chrono::seconds>(grace));
            co_await client_.remove(found.id);
        }
    } catch (const Error& error) {
        // No Docker, no containers of ours that run.
        if (error.code() != ErrorCode::engine_unavailable) throw;
    }
}

Task<> DockerEngine::close() {
    co_await logs_.stop();
}

}  // namespace llmm::engines::docker
