#include "integrations/ollama/ollama_hub.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "integrations/huggingface/links.hpp"

#include <algorithm>

namespace llmm::hubs {

using namespace ollama;

namespace {

constexpr std::size_t kMaxManifestBytes = 4 << 20;
constexpr std::size_t kMaxTextBytes = 256 * 1024;  // of a template, system prompt, parameters or configuration
constexpr std::size_t kMaxRepositories = 64;
constexpr std::chrono::seconds kTokenLifetime{60};  // the least that registries promise
constexpr int kMaxConnections = 16;                 // what Ollama's own client opens to the storage for one layer
constexpr std::string_view kAccept =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";

Name parsed(const std::string& repo) {
    auto name = Name::parse(repo);
    if (!name) {
        fail(ErrorCode::validation_failed, "not the name of an Ollama model: expected [host/][namespace/]model[:tag]",
             "不是 Ollama 模型名，应为 [host/][namespace/]model[:tag]");
    }
    return *std::move(name);
}

[[noreturn]] void refuse(const Name& name, const HubClient::Answer& answer) {
    const int status = answer.response.status;
    const std::string text = name.str();
    if (status == 404) {
        fail(ErrorCode::hub_repo_not_found, "the registry has no model {}", "仓库中没有模型 {}", text);
    }
    if (status == 401 || status == 403) {
        fail(ErrorCode::hub_token_rejected, "the registry gives {} only to those who sign in",
             "仓库要求登录才能获取 {}", text);
    }
    throw Error(ErrorCode::hub_bad_response, Text::format("{} answered with the unexpected status {}",
                                                          "{} 返回了意外的状态码 {}", answer.url.host(), status))
        .with_log_note(answer.url.for_log());
}

bool is_refusal_elsewhere(const Url& asked, const HubClient::Answer& answer) {
    return answer.response.status == 403 && !answer.url.same_origin(asked);
}

bool is_text(LayerKind kind) {
    return kind == LayerKind::prompt_template || kind == LayerKind::system || kind == LayerKind::params ||
           kind == LayerKind::messages;
}

}  // namespace

OllamaHub::OllamaHub(Options options, HttpClient& http, const UrlGuard& guard)
    : options_(std::move(options)),
      client_({.setting = {"name another registry in OLLAMA_REGISTRY", "用 OLLAMA_REGISTRY 指定其他仓库"},
               .request_timeout = options_.request_timeout,
               .first_retry_delay = options_.first_retry_delay},
              http, guard),
      repositories_(kMaxRepositories, options_.cache_lifetime) {}

Task<SearchPage> OllamaHub::search(SearchQuery) {
    throw Error(ErrorCode::validation_failed,
                Text{"the Ollama registry has no search: give a model's name, such as ollama:llama3.2:1b",
                     "Ollama 仓库不提供搜索：请直接给出模型名，例如 ollama:llama3.2:1b"});
}

Task<std::vector<Category>> OllamaHub::categories() {
    co_return std::vector<Category>{};
}

Task<Repository> OllamaHub::repository(std::string repo, std::string revision) {
    Known found = co_await known(repo);
    if (!revision.empty() && revision != found.revision) {
        fail(ErrorCode::hub_revision_not_found, "the tag {} means another manifest now; ask for it without \"@…\"",
             "标签 {} 已指向另一版本；请去掉“@…”重试", found.name.str());
    }
    co_return std::move(found.repository);
}

Task<OllamaHub::Known> OllamaHub::known(std::string repo) {
    Name name = parsed(repo);
    const std::string key = name.str();
    co_return co_await repositories_.get(key, [this, name] { return fetch(name); });
}

Task<OllamaHub::Known> OllamaHub::fetch(Name name) {
    const HubClient::Question question{.url = url_of(name, "manifests/" + name.tag),
                                       .headers = {{"Accept", std::string(kAccept)}},
                                       .max_body_bytes = kMaxManifestBytes};
    const HubClient::Answer answer = co_await ask(name, question, false);
    if (answer.response.status != 200) refuse(name, answer);
    Known found;
    found.name = name;
    found.manifest = parse_manifest(answer.response.body);
    found.revision = Sha256::of(answer.response.body).hex();
    if (found.manifest.config) found.config = parse_config(co_await fetch_text(name, *found.manifest.config));
    found.layers = name_layers(name, found.manifest, found.config);

    std::map<std::string, std::string> texts;
    Repository& repository = found.repository;
    for (const NamedLayer& named : found.layers) {
        repository.files.push_back(
            {.path = named.path, .size = named.layer.size, .sha256 = named.layer.digest, .git_sha1 = std::nullopt});
        if (is_text(named.layer.kind)) texts[named.path] = co_await fetch_text(name, named.layer);
    }
    repository.revision = found.revision;
    repository.stock_compatible = is_stock_compatible(found.config);
    repository.metadata = metadata_json(found.config, repository.stock_compatible, texts);
    repository.summary.repo = name.str();
    repository.summary.name = name.model + ":" + name.tag;
    repository.summary.author = name.owner;
    if (found.config.format == "gguf") repository.summary.formats = {"gguf"};
    co_return found;
}

Task<std::string> OllamaHub::fetch_text(Name name, Layer layer) {
    if (layer.size > kMaxTextBytes) {
        fail(ErrorCode::hub_bad_response, "the answer of the registry can't be used: a text of {} has {} bytes",
             "无法使用仓库的回答：{} 的文本有 {} 字节", name.str(), layer.size);
    }
    const HubClient::Question question{.url = url_of(name, "blobs/sha256:" + layer.digest.hex()),
                                       .max_body_bytes = kMaxTextBytes};
    HubClient::Answer answer = co_await ask(name, question, false);
    // The storage behind the registry refuses what it signed a moment ago: an address that has expired or a fault of
    // its own, and no word on who may have the model.
    for (int again = 0; again < 2 && is_refusal_elsewhere(question.url, answer); ++again)
        answer = co_await ask(name, question, false);
    if (is_refusal_elsewhere(question.url, answer)) {
        fail(ErrorCode::hub_unreachable, "{} does not give out a part of {} now: try again later",
             "{} 暂时无法提供 {} 的内容：请稍后再试", answer.url.host(), name.str());
    }
    if (answer.response.status != 200) refuse(name, answer);
    if (Sha256::of(answer.response.body) != layer.digest) {
        fail(ErrorCode::hub_bad_response,
             "the answer of the registry can't be used: a text of {} differs from its digest",
             "无法使用仓库的回答：{} 的文本与摘要不符", name.str());
    }
    co_return answer.response.body;
}

Task<HubClient::Answer> OllamaHub::ask(Name name, HubClient::Question question, bool head_only) {
    const std::string key = base_of(name).origin() + "/" + name.owner + "/" + name.model;
    const auto token = tokens_.find(key);
    if (token != tokens_.end() && std::chrono::steady_clock::now() < token->second.expires)
        question.bearer = SecretString(token->second.value);
    HubClient::Answer answer = co_await (head_only ? client_.ask_head(question) : client_.ask(question));
    const auto challenge = find_header(answer.response.headers, "WWW-Authenticate");
    if (answer.response.status != 401 || !challenge || !answer.url.same_origin(question.url)) co_return answer;
    std::string fresh = co_await fetch_token(name, std::string(*challenge));
    if (tokens_.size() > 256) tokens_.clear();
    tokens_.insert_or_assign(key, Token{fresh, std::chrono::steady_clock::now() + kTokenLifetime});
    question.bearer = SecretString(std::move(fresh));
    co_return co_await (head_only ? client_.ask_head(question) : client_.ask(question));
}

Task<std::string> OllamaHub::fetch_token(Name name, std::string header) {
    const auto challenge = parse_challenge(header);
    const auto realm = challenge ? Url::parse(challenge->realm) : std::nullopt;
    const Url base = base_of(name);
    if (!realm) {
        fail(ErrorCode::hub_token_rejected, "{} asks for a kind of sign-in that this program does not know",
             "{} 要求的登录方式不受支持", base.host());
    }
    // Whoever gets a token request learns what we may prove later: only the registry itself may ask.
    if (!realm->same_origin(base)) {
        throw Error(ErrorCode::hub_bad_response,
                    Text::format("{0} sends to {1} for a token, which is not the registry: refused",
                                 "{0} 要求向 {1} 获取令牌，而后者不是该仓库：已拒绝", base.host(), realm->host()));
    }
    Url url = *realm;
    if (!challenge->service.empty()) url = url.with_query("service", challenge->service);
    if (!challenge->scope.empty()) url = url.with_query("scope", challenge->scope);
    const HubClient::Answer answer = co_await client_.ask({.url = url, .max_body_bytes = 64 * 1024});
    if (answer.response.status != 200 || !answer.url.same_origin(base)) refuse(name, answer);
    auto token = parse_token(answer.response.body);
    if (!token) {
        fail(ErrorCode::hub_bad_response, "the answer of the registry can't be used: it has no token",
             "无法使用仓库的回答：没有令牌");
    }
    co_return *std::move(token);
}

Task<FileSource> OllamaHub::locate(std::string repo, std::string revision, std::string path) {
    const Known found = co_await known(repo);
    if (revision != found.revision) {
        fail(ErrorCode::hub_revision_not_found, "the tag {} means another manifest now", "标签 {} 已指向另一版本",
             found.name.str());
    }
    const auto named = std::ranges::find(found.layers, path, &NamedLayer::path);
    if (named == found.layers.end()) {
        fail(ErrorCode::hub_file_not_found, "{} has no file {}", "{} 没有文件 {}", found.name.str(), path);
    }
    const Url url = url_of(found.name, "blobs/sha256:" + named->layer.digest.hex());
    const HubClient::Answer answer = co_await ask(found.name, {.url = url, .headers = {{"Range", "bytes=0-0"}}}, true);
    RemoteSource source{.url = url, .bearer = {}, .expires_at = std::nullopt};
    source.max_connections = kMaxConnections;
    if (answer.elsewhere) {
        source.url = *answer.elsewhere;
        source.expires_at = huggingface::expiry_of(source.url);
        co_return source;
    }
    const int status = answer.response.status;
    if (status == 404) {
        fail(ErrorCode::hub_file_not_found, "the registry lists {} of {} and does not have it",
             "仓库列出了 {1} 的 {0}，但并不存在", path, found.name.str());
    }
    // 416: an empty blob has no first byte.
    if (status != 200 && status != 206 && status != 416) refuse(found.name, answer);
    const auto token = tokens_.find(base_of(found.name).origin() + "/" + found.name.owner + "/" + found.name.model);
    source.url = answer.url;
    if (token != tokens_.end() && answer.url.same_origin(url)) source.bearer = SecretString(token->second.value);
    co_return source;
}

Url OllamaHub::base_of(const Name& name) const {
    if (name.host.empty()) return options_.registry;
    if (name.host == "hf.co" || name.host == "huggingface.co") return options_.huggingface;
    // A host that somebody named: https, as `ollama pull` does; the configured registry keeps its scheme.
    const auto url = Url::parse("https://" + name.host + "/");
    if (!url) fail(ErrorCode::validation_failed, "{} is not a host", "{} 不是有效的主机", name.host);
    const Url& ours = options_.registry;
    return name.host == fmt::format("{}:{}", ours.host(), ours.port()) ? ours : *url;
}

Url OllamaHub::url_of(const Name& name, const std::string& rest) const {
    const Url base = base_of(name);
    std::string prefix = base.path();
    while (prefix.ends_with('/'))
        prefix.pop_back();
    auto url = Url::parse(fmt::format("{}{}/v2/{}/{}/{}", base.origin(), prefix, name.owner, name.model, rest));
    if (!url) fail(ErrorCode::validation_failed, "this name is too long for the registry", "名称过长，仓库无法接受");
    return *std::move(url);
}

}  // namespace llmm::hubs
