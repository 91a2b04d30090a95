#include "integrations/engines/external/external_engine.hpp"

#include "base/async/signal.hpp"
#include "base/fs/file.hpp"
#include "base/json/json.hpp"
#include "base/json/reader.hpp"
#include "base/net/url.hpp"

#include <algorithm>

#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines {
namespace {

constexpr EngineDescriptor kDescriptor{.name = "external",
                                       .title = "OpenAI-compatible server",
                                       .formats = {},
                                       .options = {},
                                       .needs_model = false,
                                       .owns_instances = false,
                                       .replicates = false};
constexpr std::size_t kMaxKey = 4096;
constexpr std::size_t kMaxAnswer = 4 << 20;
constexpr std::chrono::seconds kConnectLimit{4};
constexpr std::chrono::seconds kAnswerLimit{10};
constexpr std::chrono::hours kForever{24};

struct Wish {
    std::string url, model, key;
};

Wish read(ObjectReader& in) {
    Wish wish;
    wish.url = in.required_string("url", {.min_length = 8, .max_length = 2048});
    wish.model = in.string("model", {.min_length = 1, .max_length = 256}).value_or("");
    wish.key = in.string("api_key", {.min_length = 1, .max_length = kMaxKey}).value_or("");
    if (!wish.url.empty() && !parse_external_url(wish.url)) {
        in.add_problem("url", {"is no address of such a server", "不是可用的服务地址"},
                       {"http:// or https:// with host and port, without /v1; never a link-local address",
                        "http:// 或 https:// 加主机和端口，不含 /v1，不能是链路本地地址"});
    }
    const auto is_visible = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
    if (!std::ranges::all_of(wish.key, is_visible))
        in.add_problem("api_key", {"has characters that a key can't have", "包含密钥中不允许的字符"});
    return wish;
}

Wish parse(const std::string& config) {
    const json::value object = parse_own_json(config);
    ObjectReader in(object);
    Wish wish = read(in);
    in.finish();
    return wish;
}

class ExternalServer final : public EngineInstance {
  public:
    ExternalServer(const Wish& wish, ExternalAddress address, const SecretString& key, const std::string& ca_file)
        : model_(wish.model),
          endpoint_(address.endpoint),
          upstream_(
              std::make_shared<Upstream>(address.endpoint, UpstreamOptions{.headers = engine_key_headers(key),
                                                                           .base_path = std::move(address.base_path),
                                                                           .ca_file = ca_file})) {}

    Record record() const override { return {.process = {}, .container = {}, .endpoint = to_string(endpoint_)}; }
    std::shared_ptr<Upstream> upstream() const override { return upstream_; }
    // Without a name of its own the server's first model is meant.
    std::string model() const override { return model_.empty() ? first_model_ : model_; }

    Task<std::string> wait() override {
        while (true)
            co_await sleep_for(kForever);
    }
    Task<Health> probe() override {
        try {
            UpstreamResponse response = co_await upstream_->send({.method = "GET",
                                                                  .target = "/v1/models",
                                                                  .connect_timeout = kConnectLimit,
                                                                  .head_timeout = kAnswerLimit,
                                                                  .read_timeout = kAnswerLimit});
            const std::string body = co_await response.read_all(kMaxAnswer);
            if (response.status() == 401 || response.status() == 403) {
                problem_ = {"the server does not accept the API key", "服务器不接受该 API 密钥"};
                co_return Health::failed;
            }
            // Some servers list no models, which says nothing about whether they answer.
            if (response.status() >= 500) {
                problem_ = Text::format("the server answers with status {}", "服务器返回状态 {}", response.status());
                co_return Health::failed;
            }
            take_models(body);
            co_return Health::ready;
        } catch (const HttpError& error) {
            problem_ = error.failure() == HttpFailure::tls
                           ? Text{"the server's certificate is not trusted, or it speaks no TLS",
                                  "服务器证书不受信任，或不支持 TLS"}
                           : Text{"the server does not answer", "服务器无响应"};
            co_return Health::failed;
        }
    }
    Task<std::string> effective() override {
        co_return json::serialize(json::object{{"context_size", nullptr},
                                               {"context_per_slot", nullptr},
                                               {"parallel", nullptr},
                                               {"engine_version", nullptr},
                                               {"model", model().empty() ? json::value() : json::value(model())}});
    }
    Task<std::optional<std::uint64_t>> memory() override { co_return std::nullopt; }
    FailureCause explain(const std::vector<std::string>&) const override {
        return {ErrorCode::engine_unavailable, problem_};
    }
    Task<> stop(std::chrono::milliseconds) override { co_return; }

  private:
    // {"data":[{"id":"name"}]}; what is different is passed over.
    void take_models(const std::string& body) {
        try {
            boost::system::error_code missing;
            const json::value answer = parse_json(body);
            const json::value* id = answer.find_pointer("/data/0/id", missing);
            if (id && id->is_string()) first_model_ = id->get_string();
        } catch (const Error&) {
        }
    }

    std::string model_, first_model_;
    Endpoint endpoint_;
    std::shared_ptr<Upstream> upstream_;
    Text problem_{"the server does not answer", "服务器无响应"};
};

}  // namespace

std::optional<ExternalAddress> parse_external_url(std::string_view text) {
    const auto url = Url::parse(text);
    if (!url || !url->query().empty()) return std::nullopt;
    std::string path = url->path();
    while (path.ends_with('/'))
        path.pop_back();
    if (path == "/v1" || path.ends_with("/v1")) return std::nullopt;
    const RemoteEndpoint remote{.tls = url->scheme() == "https", .host = url->host(), .port = url->port()};
    boost::system::error_code is_name;
    const auto address = asio::ip::make_address(remote.host, is_name);
    if (!is_name && !may_be_engine(address)) return std::nullopt;
    if (!is_name && !remote.tls) return ExternalAddress{TcpEndpoint{remote.host, remote.port}, std::move(path)};
    return ExternalAddress{remote, std::move(path)};
}

const EngineDescriptor& ExternalEngine::descriptor() const {
    return kDescriptor;
}

Task<Availability> ExternalEngine::availability() {
    co_return Availability{};
}

Details ExternalEngine::check(const std::string& config) const {
    try {
        parse(config);
    } catch (const Error& error) {
        return error.details();
    }
    return {};
}

std::filesystem::path ExternalEngine::key_file(const std::string& deployment) const {
    return host_.home / "secrets" / "deployments" / deployment;
}

Task<std::string> ExternalEngine::keep_secrets(std::string deployment, std::string config) {
    json::value object = parse_own_json(config);
    const json::value* key = object.as_object().if_contains("api_key");
    if (!key) co_return config;
    const std::string text = key->is_string() ? std::string(key->get_string()) : "";
    const auto file = key_file(deployment);
    co_await host_.files.run([&] {
        make_directories(file.parent_path(), 0700);
        if (!text.empty()) return write_file_durably(file, text, 0600);
        std::error_code missing;
        std::filesystem::remove(file, missing);
    });
    object.as_object().erase("api_key");
    co_return json::serialize(object);
}

Task<> ExternalEngine::forget(std::string deployment) {
    co_await host_.files.run([file = key_file(deployment)] {
        std::error_code missing;
        std::filesystem::remove(file, missing);
    });
}

Task<Record> ExternalEngine::prepare(const Order& order) {
    const auto address = parse_external_url(parse(order.config).url);
    co_return Record{.process = {}, .container = {}, .endpoint = address ? to_string(address->endpoint) : ""};
}

Task<std::unique_ptr<EngineInstance>> ExternalEngine::connect(Order order) {
    const Wish wish = parse(order.config);
    auto address = parse_external_url(wish.url);
    if (!address) fail(ErrorCode::url_forbidden, "the URL can't be used", "该地址不可用");
    const SecretString key = co_await host_.files.run([file = key_file(order.deployment)] {
        std::error_code missing;
        return std::filesystem::exists(file, missing) ? SecretString(read_text_file(file, kMaxKey)) : SecretString();
    });
    co_return std::make_unique<ExternalServer>(wish, std::move(*address), key, settings_.ca_file);
}

Task<std::unique_ptr<EngineInstance>> ExternalEngine::start(Order order, Record) {
    co_return co_await connect(std::move(order));
}

Task<std::unique_ptr<EngineInstance>> ExternalEngine::adopt(Order order, Record) {
    co_return co_await connect(std::move(order));
}

Task<> ExternalEngine::sweep(std::vector<Record>, std::chrono::milliseconds) {
    co_return;
}

}  // namespace llmm::engines
