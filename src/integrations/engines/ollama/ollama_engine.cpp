#include "integrations/engines/ollama/ollama_engine.hpp"

#include "base/async/signal.hpp"
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "base/json/json.hpp"
#include "base/json/reader.hpp"
#include "base/net/url.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>

#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines {
namespace {

using namespace std::string_view_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kFormats{"gguf"sv};
constexpr std::array kOptions{
    EngineOption{.key = "context_size",
                 .type = OptionType::integer,
                 .standard = std::int64_t{4096},
                 .min = 128,
                 .max = 16 * 1024 * 1024,
                 .flag = "num_ctx",
                 .meaning = {"tokens that one conversation may have", "单个对话的最大 token 数"}}};
constexpr EngineDescriptor kDescriptor{.name = "ollama",
                                       .title = "Ollama",
                                       .formats = kFormats,
                                       .options = kOptions,
                                       .needs_service = true,
                                       .replicates = false};

constexpr std::size_t kMaxAnswer = 4 << 20;
constexpr std::size_t kPiece = 1 << 20;
constexpr seconds kConnectLimit{3};
constexpr seconds kAnswerLimit{10};
constexpr seconds kLoadLimit{600};
constexpr seconds kSilenceLimit{300};  // between two lines of a pull or create
constexpr std::uint16_t kUsualPort = 11434;
constexpr std::string_view kPrefix = "llm-manager-";
constexpr std::string_view kPulled = "ollama:";

[[noreturn]] void throw_unreachable(const HttpError& error) {
    throw Error(ErrorCode::engine_unavailable, Text{"Ollama does not answer", "Ollama 无响应"},
                {{"engine", std::string("ollama")}})
        .with_log_note(error.what());
}

struct Answer {
    int status = 0;
    std::string body;
};

Task<Answer> ask(Upstream& ollama, UpstreamRequest request) {
    request.connect_timeout = kConnectLimit;
    if (!request.body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    try {
        UpstreamResponse response = co_await ollama.send(std::move(request));
        co_return Answer{response.status(), co_await response.read_all(kMaxAnswer)};
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
}

UpstreamRequest get(std::string target) {
    return {.method = "GET", .target = std::move(target), .head_timeout = kAnswerLimit, .read_timeout = kAnswerLimit};
}

UpstreamRequest post(std::string target, const json::value& body, milliseconds limit) {
    return {.method = "POST",
            .target = std::move(target),
            .body = json::serialize(body),
            .head_timeout = limit,
            .read_timeout = limit};
}

json::value parsed(const std::string& body) {
    try {
        return parse_json(body);
    } catch (const Error&) {
        return nullptr;
    }
}

std::string text_at(const json::value& value, std::string_view pointer) {
    boost::system::error_code missing;
    const json::value* found = value.find_pointer(pointer, missing);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

// The name without a tag means :latest.
bool same_name(std::string_view shown, std::string_view ours) {
    constexpr std::string_view kLatest = ":latest";
    if (shown.ends_with(kLatest)) shown.remove_suffix(kLatest.size());
    return shown == ours;
}

std::string name_for(const std::string& deployment) {
    return std::string(kPrefix) + deployment;
}

[[noreturn]] void throw_refused(std::string_view what, const std::string& why) {
    fail(ErrorCode::engine_failed, "Ollama can't {}: {}", "Ollama 无法{}：{}", what, why);
}

// Ollama shows its log to nobody: that of a deployment holds what it answered.
struct AnswerLog {
    BlockingPool& files;
    std::filesystem::path path;
};

Task<> note(const AnswerLog& log, std::string line) {
    co_await log.files.run([&] {
        make_directories(log.path.parent_path());
        const UniqueFd file = open_file(log.path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
        line += '\n';
        write_all(file.get(), std::as_bytes(std::span(line)), 0);  // O_APPEND: at the end
    });
}

// Lines {"status":…}, the last {"status":"success"}; a failure is {"error":…}, also behind a 200.
Task<> follow(Upstream& ollama, const AnswerLog& log, std::string target, json::value body, std::string what) {
    UpstreamRequest request = post(std::move(target), body, kSilenceLimit);
    request.headers.push_back({"Content-Type", "application/json"});
    request.connect_timeout = kConnectLimit;
    std::string last, told;
    try {
        UpstreamResponse response = co_await ollama.send(std::move(request));
        std::string text;
        while (auto piece = co_await response.read_some()) {
            text += *piece;
            for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
                last = text.substr(0, end);
                text.erase(0, end + 1);
                const std::string error = text_at(parsed(last), "/error");
                if (!error.empty()) throw_refused(what, error);
                // A pull repeats itself with every piece.
                const std::string status = text_at(parsed(last), "/status");
                if (status != told) co_await note(log, fmt::format("ollama: {}", status));
                told = status;
            }
            if (text.size() > kMaxAnswer) throw_refused(what, "a line without an end");
        }
        if (!text.empty()) last = text;
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
    const json::value end = parsed(last);
    const std::string error = text_at(end, "/error");
    if (!error.empty()) throw_refused(what, error);
    if (text_at(end, "/status") != "success") throw_refused(what, "it ended without success");
}

// A model that Ollama holds in memory.
struct Loaded {
    std::int64_t size = 0;
    json::value context;
};

Task<std::optional<Loaded>> find_loaded(Upstream& ollama, std::string name) {
    const Answer answer = co_await ask(ollama, get("/api/ps"));
    const json::value list = parsed(answer.body);
    boost::system::error_code missing;
    const json::value* models = list.find_pointer("/models", missing);
    if (answer.status != 200 || !models || !models->is_array())
        throw_refused("list its models", fmt::format("status {}", answer.status));
    for (const json::value& model : models->get_array()) {
        if (!same_name(text_at(model, "/name"), name)) continue;
        const json::value* size = model.find_pointer("/size", missing);
        const json::value* context = model.find_pointer("/context_length", missing);
        co_return Loaded{size && size->is_int64() ? size->get_int64() : 0,
                         context && context->is_int64() ? *context : json::value()};
    }
    co_return std::nullopt;
}

// Without a prompt only loads (-1: for ever) or unloads (0).
Task<> keep(Upstream& ollama, std::string name, int seconds_alive, milliseconds limit) {
    const Answer answer = co_await ask(
        ollama,
        post("/api/generate", json::object{{"model", name}, {"keep_alive", seconds_alive}, {"stream", false}}, limit));
    if (answer.status == 404 && seconds_alive == 0) co_return;
    if (answer.status != 200) throw_refused("load the model", text_at(parsed(answer.body), "/error"));
}

class OllamaModel final : public EngineInstance {
  public:
    OllamaModel(std::shared_ptr<Upstream> ollama, Endpoint endpoint, std::string name, AnswerLog log)
        : ollama_(std::move(ollama)), endpoint_(std::move(endpoint)), name_(std::move(name)), log_(std::move(log)) {}

    Record record() const override { return {.process = {}, .container = {}, .endpoint = to_string(endpoint_)}; }
    std::shared_ptr<Upstream> upstream() const override { return ollama_; }
    std::string model() const override { return name_; }
    Task<std::string> wait() override {
        while (true)
            co_await sleep_for(std::chrono::hours(24));
    }
    Task<Health> probe() override {
        try {
            const auto loaded = co_await find_loaded(*ollama_, name_);
            problem_ = {"Ollama has unloaded the model", "Ollama 已卸载该模型"};
            co_return loaded ? Health::ready : Health::failed;
        } catch (const Error& error) {
            problem_ = error.message();
            co_return Health::failed;
        }
    }
    Task<std::string> effective() override {
        const auto loaded = co_await find_loaded(*ollama_, name_);
        const Answer version = co_await ask(*ollama_, get("/api/version"));
        const std::string number = text_at(parsed(version.body), "/version");
        co_return json::serialize(json::object{{"context_size", nullptr},
                                               {"context_per_slot", loaded ? loaded->context : json::value()},
                                               {"parallel", nullptr},
                                               {"engine_version", number.empty() ? json::value() : json::value(number)},
                                               {"model", name_}});
    }
    Task<std::optional<std::uint64_t>> memory() override {
        try {
            const auto loaded = co_await find_loaded(*ollama_, name_);
            if (loaded && loaded->size > 0) co_return static_cast<std::uint64_t>(loaded->size);
        } catch (const Error&) {
        }
        co_return std::nullopt;
    }
    FailureCause explain(const std::vector<std::string>&) const override {
        return {ErrorCode::engine_failed, problem_};
    }
    // An Ollama that does not answer holds nothing.
    Task<> stop(milliseconds) override {
        try {
            co_await keep(*ollama_, name_, 0, kAnswerLimit);
            co_await note(log_, fmt::format("ollama: {} unloaded", name_));
        } catch (const Error& error) {
            if (error.code() != ErrorCode::engine_unavailable) throw;
        }
    }

  private:
    std::shared_ptr<Upstream> ollama_;
    Endpoint endpoint_;
    std::string name_;
    AnswerLog log_;
    Text problem_{"Ollama does not answer", "Ollama 无响应"};
};

// "http://host:port", "host:port" or "host".
std::optional<Endpoint> parse_host(const std::string& text) {
    const bool has_scheme = text.contains("://");
    const auto url = Url::parse(has_scheme ? text : "http://" + text);
    if (!url || url->path() != "/" || !url->query().empty()) return std::nullopt;
    const bool tls = url->scheme() == "https";
    const bool own_port = url->port() == (tls ? 443 : 80);
    const std::uint16_t port =
        own_port && !text.ends_with(fmt::format(":{}", url->port())) && !tls ? kUsualPort : url->port();
    boost::system::error_code is_name;
    const auto address = asio::ip::make_address(url->host(), is_name);
    if (!is_name && !may_be_engine(address)) return std::nullopt;
    if (!is_name && !tls) return TcpEndpoint{url->host(), port};
    return RemoteEndpoint{.tls = tls, .host = url->host(), .port = port};
}

std::int64_t context_of(const std::string& config) {
    const json::value object = parse_own_json(config);
    ObjectReader in(object);
    const OptionValues options = read_options(kDescriptor, in);
    in.finish();
    return options.integer("context_size");
}

// A blob's link names its digest; other files are hashed. Blocking.
std::string digest_of(const std::filesystem::path& file) {
    const std::string name = std::filesystem::canonical(file).filename();
    if (const auto digest = Sha256::parse(name)) return digest->hex();
    Sha256Stream stream;
    const UniqueFd fd = open_file(file, O_RDONLY);
    std::vector<std::byte> buffer(kPiece);
    for (std::uint64_t offset = 0;;) {
        const std::size_t count = read_at(fd.get(), buffer, offset);
        if (count == 0) return stream.finish().hex();
        stream.update(std::span(buffer).first(count));
        offset += count;
    }
}

// The parts of a split model lie beside the first.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& model) {
    if (!model.filename().native().contains("-of-")) return {model};
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(model.parent_path())) {
        if (entry.path().extension() == ".gguf") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

struct FileReader {
    BlockingPool& files;
    UniqueFd fd;
    std::uint64_t offset = 0;
};

Task<std::string> next_piece(FileReader& reader) {
    std::string piece(kPiece, '\0');
    co_await reader.files.run(
        [&] { piece.resize(read_at(reader.fd.get(), std::as_writable_bytes(std::span(piece)), reader.offset)); });
    reader.offset += piece.size();
    co_return piece;
}

}  // namespace

OllamaEngine::OllamaEngine(LocalHost local, std::string host) : local_(std::move(local)) {
    if (host.empty()) return;
    const auto endpoint = parse_host(host);
    if (!endpoint) return;
    endpoint_ = *endpoint;
    ollama_ = std::make_shared<Upstream>(*endpoint);
}

const EngineDescriptor& OllamaEngine::descriptor() const {
    return kDescriptor;
}

Task<Availability> OllamaEngine::availability() {
    if (!ollama_) {
        co_return Availability{.version = {},
                               .reason = Text{"OLLAMA_HOST names no Ollama to use", "OLLAMA_HOST 未指定可用的 Ollama"}};
    }
    try {
        const Answer answer = co_await ask(*ollama_, get("/api/version"));
        const std::string version = text_at(parsed(answer.body), "/version");
        if (!version.empty()) co_return Availability{.version = version, .reason = {}};
        co_return Availability{.version = {}, .reason = Text{"what answers there is no Ollama", "该地址不是 Ollama"}};
    } catch (const Error& error) {
        co_return Availability{.version = {}, .reason = error.message()};
    }
}

Details OllamaEngine::check(const std::string& config) const {
    try {
        context_of(config);
    } catch (const Error& error) {
        return error.details();
    }
    return {};
}

Task<> OllamaEngine::send_blob(std::string digest, std::filesystem::path file) {
    const std::string target = "/api/blobs/sha256:" + digest;
    UpstreamRequest look = get(target);
    look.method = "HEAD";
    if ((co_await ask(*ollama_, std::move(look))).status == 200) co_return;
    FileReader reader{local_.files, co_await local_.files.run([&file] { return open_file(file, O_RDONLY); })};
    const std::uint64_t size = co_await local_.files.run([&file] { return std::filesystem::file_size(file); });
    const Answer answer = co_await ask(*ollama_, {.method = "POST",
                                                  .target = target,
                                                  .body_size = size,
                                                  .next_piece = [&reader] { return next_piece(reader); },
                                                  .head_timeout = kLoadLimit,
                                                  .read_timeout = kAnswerLimit});
    if (answer.status != 200 && answer.status != 201)
        throw_refused("take the model's file", text_at(parsed(answer.body), "/error"));
}

Task<> OllamaEngine::create(std::string name, const Order& order) {
    const AnswerLog log{local_.files, order.log};
    json::object body{
        {"model", name}, {"stream", true}, {"parameters", json::object{{"num_ctx", context_of(order.config)}}}};
    if (order.model_ref.starts_with(kPulled)) {
        const std::string source = order.model_ref.substr(kPulled.size());
        co_await follow(*ollama_, log, "/api/pull", json::object{{"model", source}}, "pull the model");
        body["from"] = source;
    } else {
        json::object files;
        for (const auto& file : co_await local_.files.run([&order] { return files_of(order.model); })) {
            const std::string digest = co_await local_.files.run([&file] { return digest_of(file); });
            co_await send_blob(digest, file);
            files[file.filename().native()] = "sha256:" + digest;
        }
        body["files"] = std::move(files);
    }
    co_await follow(*ollama_, log, "/api/create", body, "register the model");
}

Task<Record> OllamaEngine::prepare(const Order& order) {
    const auto found = co_await availability();
    if (found.reason) throw Error(ErrorCode::engine_unavailable, *found.reason, {{"engine", std::string("ollama")}});
    co_await create(name_for(order.deployment), order);
    co_return Record{.process = {}, .container = {}, .endpoint = to_string(endpoint_)};
}

std::unique_ptr<EngineInstance> OllamaEngine::instance(const Order& order) const {
    return std::make_unique<OllamaModel>(ollama_, endpoint_, name_for(order.deployment),
                                         AnswerLog{local_.files, order.log});
}

Task<std::unique_ptr<EngineInstance>> OllamaEngine::start(Order order, Record) {
    const std::string name = name_for(order.deployment);
    co_await keep(*ollama_, name, -1, kLoadLimit);
    const auto loaded = co_await find_loaded(*ollama_, name);
    co_await note(AnswerLog{local_.files, order.log},
                  fmt::format("ollama: {} loaded, {} bytes", name, loaded ? loaded->size : 0));
    co_return instance(order);
}

Task<std::unique_ptr<EngineInstance>> OllamaEngine::adopt(Order order, Record) {
    if (!ollama_) co_return nullptr;
    try {
        if (!co_await find_loaded(*ollama_, name_for(order.deployment))) co_return nullptr;
    } catch (const Error&) {
        co_return nullptr;
    }
    co_return instance(order);
}

Task<> OllamaEngine::sweep(std::vector<Record>, std::chrono::milliseconds) {
    co_return;  // what is loaded without a deployment has no mark of this home; it costs nothing but memory
}

Task<> OllamaEngine::forget(std::string deployment) {
    if (!ollama_) co_return;
    try {
        UpstreamRequest request = post("/api/delete", json::object{{"model", name_for(deployment)}}, kAnswerLimit);
        request.method = "DELETE";
        co_await ask(*ollama_, std::move(request));
    } catch (const Error&) {
        // It stays there until somebody deletes it by hand: the deployment's end does not depend on it.
    }
}

}  // namespace llmm::engines
