#pragma once
#include "base/secret/secret.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm {

// Everything an operator can set, parsed once at start and handed to its owners by value. The rows in
// config_options.cpp are the single declaration: file, environment, --set, help and `llm-manager config` follow from
// them.
struct Config {
    std::filesystem::path home;

    struct Server {
        std::string listen = "127.0.0.1:5000";
        std::string tls_certificate, tls_key;
        std::vector<std::string> allowed_hosts, cors_origins;
        std::int64_t head_timeout_seconds = 10, body_timeout_seconds = 60, idle_timeout_seconds = 75;
        std::int64_t grace_seconds = 20;
        std::int64_t max_connections = 4096;
    } server;

    struct Auth {
        std::string mode = "key";  // or "none", on a loopback address only
        SecretString admin_key;    // empty: secrets/admin-key
    } auth;

    struct Database {
        SecretString url;  // empty: sqlite:///<home>/llm-manager.db
        std::int64_t pool_size = 4;
    } database;

    struct Redis {
        SecretString url;
    } redis;

    struct Log {
        std::string level = "info";
        std::string format = "human";
    } log;

    struct HuggingFace {
        std::string endpoint = "https://huggingface.co";
        std::vector<std::string> mirrors;  // tried in this order when the endpoint fails
        SecretString token;
        std::int64_t cache_seconds = 60;
    } huggingface;

    struct Ollama {
        std::string host;
        std::string registry = "https://registry.ollama.ai";
    } ollama;

    struct ModelScope {
        std::string endpoint = "https://modelscope.cn";
        SecretString token;
    } modelscope;

    struct Hubs {
        std::int64_t search_patience_ms = 4000;
        // The other hub belongs to another company, which would hear what is fetched here.
        std::string failover = "mirrors";
    } hubs;

    struct Local {
        std::vector<std::string> roots;
    } local;

    struct Network {
        std::string http_proxy, https_proxy, no_proxy, ca_file;
        std::vector<std::string> allowed_hosts;
    } network;

    struct Downloads {
        std::int64_t concurrent = 2;
        std::int64_t connections = 16;
        std::int64_t speed_limit = 0;
        std::vector<std::string> schedule;  // other limits at times of the week
        std::int64_t keep_free_bytes = 256 * 1024 * 1024;
    } downloads;

    struct Scan {
        std::string clamd;                 // empty: nothing is scanned
        std::string unreachable = "fail";  // or "skip"
        std::int64_t part_bytes = 24 * 1024 * 1024;
    } scan;

    struct Engines {
        std::string llama_server;  // empty: searched
        std::int64_t start_timeout_seconds = 600;
        std::int64_t stop_grace_seconds = 10;
        std::int64_t max_log_bytes = 10 * 1024 * 1024;
        std::int64_t keep_free_memory_bytes = 256 * 1024 * 1024;
    } engines;

    struct Chat {
        std::int64_t unwatched_seconds = 600;
        std::string context_policy = "drop";
        std::string titles = "on";
    } chat;

    struct Gateway {
        std::int64_t at_once = 0;  // requests of one deployment; 0: its engine's slots
        std::int64_t queue_size = 512;
        std::int64_t queue_wait_seconds = 300;
        std::int64_t heartbeat_seconds = 10;
    } gateway;

    struct Usage {
        std::int64_t flush_milliseconds = 1'000;
    } usage;

    struct Docker {
        std::string host;
    } docker;

    struct Hardware {
        std::string nvml_library = "libnvidia-ml.so.1";
        std::string sysfs = "/sys";
    } hardware;

    // Where each value came from: "default", "file", "environment NAME", "--set".
    std::map<std::string, std::string> sources;
};

struct ConfigOption {
    std::string_view key;                       // "server.listen"
    std::vector<std::string_view> environment;  // fixed short names beside LLM_MANAGER_<SECTION>_<KEY>
    std::string_view help;
    bool secret = false;
    // Parses into the Config; an error text when the value is bad.
    std::function<std::optional<std::string>(Config&, const std::string&)> set;
    std::function<std::string(const Config&)> get;
};

const std::vector<ConfigOption>& config_options();

// All mistakes of a configuration, one line each.
class ConfigError : public std::exception {
  public:
    explicit ConfigError(std::vector<std::string> problems);
    const std::vector<std::string>& problems() const { return problems_; }
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    std::vector<std::string> problems_;
    std::string text_;
};

// Later wins: defaults, file, environment, `overrides` ("section.key=value"). The environment comes in as a function so
// that tests need not change their own. Throws ConfigError with every mistake.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();
Config load_config(const Environment& environment, const std::vector<std::string>& overrides);

// "key = value  # source" lines with secrets masked.
std::string describe_config(const Config& config);

}  // namespace llmm
