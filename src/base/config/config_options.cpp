#include "base/config/config.hpp"

#include <charconv>
#include <sstream>

#include <fmt/format.h>

namespace llmm {
namespace {

using Setter = std::function<std::optional<std::string>(Config&, const std::string&)>;
using Getter = std::function<std::string(const Config&)>;

std::vector<std::string> split_list(const std::string& text) {
    std::vector<std::string> items;
    std::stringstream stream(text);
    for (std::string item; std::getline(stream, item, ',');) {
        const auto first = item.find_first_not_of(" \t");
        if (first != std::string::npos) items.push_back(item.substr(first, item.find_last_not_of(" \t") - first + 1));
    }
    return items;
}

// Each helper makes one row; `member` finds the value in a Config, const or not.
template <class Member>
ConfigOption text(std::string_view key, std::vector<std::string_view> names, std::string_view help, Member member) {
    return {key,
            std::move(names),
            help,
            false,
            [member](Config& config, const std::string& value) -> std::optional<std::string> {
                member(config) = value;
                return std::nullopt;
            },
            [member](const Config& config) { return std::string(member(config)); }};
}

template <class Member>
ConfigOption choice(std::string_view key, std::vector<std::string> allowed, std::string_view help, Member member) {
    return {key,
            {},
            help,
            false,
            [member, allowed](Config& config, const std::string& value) -> std::optional<std::string> {
                if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
                    return fmt::format("must be one of: {}", fmt::join(allowed, ", "));
                }
                member(config) = value;
                return std::nullopt;
            },
            [member](const Config& config) { return std::string(member(config)); }};
}

template <class Member>
ConfigOption list(std::string_view key, std::vector<std::string_view> names, std::string_view help, Member member) {
    return {key,
            std::move(names),
            help,
            false,
            [member](Config& config, const std::string& value) -> std::optional<std::string> {
                member(config) = split_list(value);
                return std::nullopt;
            },
            [member](const Config& config) { return fmt::format("{}", fmt::join(member(config), ",")); }};
}

template <class Member>
ConfigOption integer(std::string_view key, std::int64_t min, std::int64_t max, std::string_view help, Member member) {
    return {key,
            {},
            help,
            false,
            [=](Config& config, const std::string& value) -> std::optional<std::string> {
                std::int64_t number = 0;
                const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
                if (error != std::errc{} || end != value.data() + value.size() || number < min || number > max) {
                    return fmt::format("must be a whole number from {} to {}", min, max);
                }
                member(config) = number;
                return std::nullopt;
            },
            [member](const Config& config) { return std::to_string(member(config)); }};
}

template <class Member>
ConfigOption secret(std::string_view key, std::vector<std::string_view> names, std::string_view help, Member member) {
    return {
        key,
        std::move(names),
        help,
        true,
        [member](Config& config, const std::string& value) -> std::optional<std::string> {
            member(config) = SecretString(value);
            return std::nullopt;
        },
        [member](const Config& config) { return member(config).empty() ? std::string() : std::string("********"); }};
}

#define LLMM_MEMBER(path) [](auto& config) -> auto& { return config.path; }

std::vector<ConfigOption> make_options() {
    return {
        text("server.listen", {"LLM_MANAGER_LISTEN"}, "Address and port to serve on", LLMM_MEMBER(server.listen)),
        text("server.tls_certificate", {}, "PEM file with the certificate chain; serves HTTPS",
             LLMM_MEMBER(server.tls_certificate)),
        text("server.tls_key", {}, "PEM file with the certificate's key", LLMM_MEMBER(server.tls_key)),
        list("server.allowed_hosts", {}, "Host names that requests may carry beside localhost and this machine's name",
             LLMM_MEMBER(server.allowed_hosts)),
        list("server.cors_origins", {}, "Origins whose pages may call the API", LLMM_MEMBER(server.cors_origins)),
        integer("server.head_timeout_seconds", 1, 3600, "Time for a request's headers",
                LLMM_MEMBER(server.head_timeout_seconds)),
        integer("server.body_timeout_seconds", 1, 3600, "Time for a request's body",
                LLMM_MEMBER(server.body_timeout_seconds)),
        integer("server.idle_timeout_seconds", 1, 3600, "Time a kept connection may be silent",
                LLMM_MEMBER(server.idle_timeout_seconds)),
        integer("server.grace_seconds", 0, 3600, "Time for running requests after SIGTERM",
                LLMM_MEMBER(server.grace_seconds)),
        integer("server.max_connections", 1, 1'000'000,
                "Connections at the same time; fewer where the system allows too few open files",
                LLMM_MEMBER(server.max_connections)),
        choice("auth.mode", {"key", "none"}, "key: every call needs the admin key; none: only on a loopback address",
               LLMM_MEMBER(auth.mode)),
        secret("auth.admin_key", {"LLM_MANAGER_ADMIN_KEY"}, "Admin key instead of the one kept in secrets/admin-key",
               LLMM_MEMBER(auth.admin_key)),
        secret("database.url", {"DATABASE_URL"}, "sqlite:///<file> or postgresql://user:password@host/database",
               LLMM_MEMBER(database.url)),
        integer("database.pool_size", 1, 64, "Connections for reading", LLMM_MEMBER(database.pool_size)),
        secret("redis.url", {"REDIS_URL"}, "Redis for several processes (not used yet)", LLMM_MEMBER(redis.url)),
        choice("log.level", {"debug", "info", "warning", "error"}, "Least important lines to show",
               LLMM_MEMBER(log.level)),
        choice("log.format", {"human", "json"}, "Lines for eyes or for machines", LLMM_MEMBER(log.format)),
        text("huggingface.endpoint", {"HF_ENDPOINT"}, "HuggingFace hub or a mirror of it",
             LLMM_MEMBER(huggingface.endpoint)),
        list("huggingface.mirrors", {},
             "Mirrors that list and give files when the endpoint fails; they never get the token",
             LLMM_MEMBER(huggingface.mirrors)),
        secret("huggingface.token", {"HUGGING_FACE_HUB_TOKEN", "HF_TOKEN"}, "Token for private and gated repositories",
               LLMM_MEMBER(huggingface.token)),
        integer("huggingface.cache_seconds", 0, 86'400, "How long search results are kept",
                LLMM_MEMBER(huggingface.cache_seconds)),
        text("ollama.host", {"OLLAMA_HOST"}, "An Ollama to use as engine", LLMM_MEMBER(ollama.host)),
        text("ollama.registry", {"OLLAMA_REGISTRY"}, "Ollama registry that models are pulled from",
             LLMM_MEMBER(ollama.registry)),
        text("modelscope.endpoint", {"MODELSCOPE_ENDPOINT"}, "ModelScope hub or a mirror of it",
             LLMM_MEMBER(modelscope.endpoint)),
        secret("modelscope.token", {"MODELSCOPE_API_TOKEN"}, "Token for private repositories of ModelScope",
               LLMM_MEMBER(modelscope.token)),
        integer("hubs.search_patience_ms", 50, 60'000, "How long a search over all sources waits for the slowest",
                LLMM_MEMBER(hubs.search_patience_ms)),
        choice(
            "hubs.failover", {"mirrors", "all"},
            "Who is asked for a file when its hub fails: its mirrors alone, or also the other one of Hugging Face and "
            "ModelScope, which then hears the repository's name",
            LLMM_MEMBER(hubs.failover)),
        list("local.roots", {}, "Folders that models may be imported from and published into",
             LLMM_MEMBER(local.roots)),
        text("network.http_proxy", {"HTTP_PROXY", "http_proxy"}, "Proxy for http", LLMM_MEMBER(network.http_proxy)),
        text("network.https_proxy", {"HTTPS_PROXY", "https_proxy"}, "Proxy for https",
             LLMM_MEMBER(network.https_proxy)),
        text("network.no_proxy", {"NO_PROXY", "no_proxy"}, "Hosts that are reached directly",
             LLMM_MEMBER(network.no_proxy)),
        text("network.ca_file", {"SSL_CERT_FILE"}, "PEM file with certificate authorities to trust",
             LLMM_MEMBER(network.ca_file)),
        list("network.allowed_hosts", {}, "Private hosts that may be fetched from: host or host:port",
             LLMM_MEMBER(network.allowed_hosts)),
        integer("downloads.concurrent", 1, 32, "Downloads at the same time", LLMM_MEMBER(downloads.concurrent)),
        integer("downloads.connections", 1, 32, "Connections to one source, of all downloads together, at most",
                LLMM_MEMBER(downloads.connections)),
        integer("downloads.speed_limit", 0, std::int64_t{1} << 40,
                "Bytes a second of all downloads together; 0: no limit", LLMM_MEMBER(downloads.speed_limit)),
        list("downloads.schedule", {},
             "Other limits at times of the week, on this machine's clock: \"mon-fri 08:00-18:00 5M\", … (0: no limit); "
             "the first window that fits holds",
             LLMM_MEMBER(downloads.schedule)),
        integer("downloads.keep_free_bytes", 0, std::int64_t{1} << 50, "Disk space that a download leaves free",
                LLMM_MEMBER(downloads.keep_free_bytes)),
        text("scan.clamd", {},
             "Virus scanner that every file passes before it is kept: clamd's socket, /path or host:port",
             LLMM_MEMBER(scan.clamd)),
        choice("scan.unreachable", {"fail", "skip"}, "What happens to a file while clamd can't be reached",
               LLMM_MEMBER(scan.unreachable)),
        integer("scan.part_bytes", 1 << 20, std::int64_t{1} << 32,
                "Longer files are scanned in parts of this size; at most clamd's StreamMaxLength",
                LLMM_MEMBER(scan.part_bytes)),
        text("engines.llama_server", {"LLM_MANAGER_LLAMA_SERVER"}, "llama-server program; else it is searched",
             LLMM_MEMBER(engines.llama_server)),
        integer("engines.start_timeout_seconds", 1, 86'400, "Time for an engine to load its model",
                LLMM_MEMBER(engines.start_timeout_seconds)),
        integer("engines.stop_grace_seconds", 0, 600, "Time for an engine to end before it is killed",
                LLMM_MEMBER(engines.stop_grace_seconds)),
        integer("engines.max_log_bytes", 4096, std::int64_t{1} << 40, "Size at which an engine's log is rotated",
                LLMM_MEMBER(engines.max_log_bytes)),
        integer("engines.keep_free_memory_bytes", 0, std::int64_t{1} << 50,
                "Memory of the machine, and of each GPU, that no engine gets",
                LLMM_MEMBER(engines.keep_free_memory_bytes)),
        text("hardware.nvml_library", {}, "NVIDIA's management library, for readings of its GPUs",
             LLMM_MEMBER(hardware.nvml_library)),
        text("hardware.sysfs", {}, "Where the kernel shows devices, for readings of AMD's GPUs",
             LLMM_MEMBER(hardware.sysfs)),
        integer("chat.unwatched_seconds", 0, 604'800, "How long a reply is written on though nobody watches it",
                LLMM_MEMBER(chat.unwatched_seconds)),
        choice("chat.context_policy", {"error", "drop", "summarise"},
               "What happens to the oldest messages when a conversation outgrows the context",
               LLMM_MEMBER(chat.context_policy)),
        choice("chat.titles", {"on", "off"}, "Sessions without a name get one from their engine after the first reply",
               LLMM_MEMBER(chat.titles)),
        integer("gateway.at_once", 0, 100'000,
                "Requests that a deployment works on at once; 0: as many as it has slots",
                LLMM_MEMBER(gateway.at_once)),
        integer("gateway.queue_size", 0, 1'000'000, "Requests that may wait for one deployment; more are refused (429)",
                LLMM_MEMBER(gateway.queue_size)),
        integer("gateway.queue_wait_seconds", 1, 86'400, "Time that a request may wait for a slot (then 503)",
                LLMM_MEMBER(gateway.queue_wait_seconds)),
        integer("gateway.heartbeat_seconds", 1, 3600, "Silence after which a stream tells its client that it waits",
                LLMM_MEMBER(gateway.heartbeat_seconds)),
        integer("usage.flush_milliseconds", 10, 60'000, "Usage that a killed service may lose",
                LLMM_MEMBER(usage.flush_milliseconds)),
        text("docker.host", {"DOCKER_HOST"}, "Docker Engine API: unix:///path of its socket", LLMM_MEMBER(docker.host)),
    };
}

#undef LLMM_MEMBER

}  // namespace

const std::vector<ConfigOption>& config_options() {
    static const std::vector<ConfigOption> options = make_options();
    return options;
}

}  // namespace llmm
