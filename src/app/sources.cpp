#include "app/sources.hpp"

#include "integrations/huggingface/token_file.hpp"

#include <fmt/format.h>

namespace llmm::app {
namespace {

downloads::SpeedSchedule speed_schedule(const Config& config) {
    std::vector<downloads::SpeedSchedule::Window> windows;
    for (const std::string& text : config.downloads.schedule)
        windows.push_back(downloads::SpeedSchedule::parse(text).value());
    return downloads::SpeedSchedule(std::move(windows));
}

}  // namespace

std::optional<Url> parse_endpoint(const std::string& text) {
    const auto url = Url::parse(text);
    return url && url->query().empty() ? url : std::nullopt;
}

void check_sources(const Config& config, std::vector<std::string>& problems) {
    for (const auto& [name, endpoint] : {std::pair("huggingface.endpoint", &config.huggingface.endpoint),
                                         std::pair("ollama.registry", &config.ollama.registry),
                                         std::pair("modelscope.endpoint", &config.modelscope.endpoint)}) {
        if (!parse_endpoint(*endpoint)) problems.push_back(fmt::format("{}: not an http or https URL", name));
    }
    for (const std::string& mirror : config.huggingface.mirrors) {
        if (!parse_endpoint(mirror))
            problems.push_back(fmt::format("huggingface.mirrors: \"{}\" is not an http or https URL", mirror));
    }
    for (const std::string& window : config.downloads.schedule) {
        if (!downloads::SpeedSchedule::parse(window)) {
            problems.push_back(fmt::format(
                "downloads.schedule: \"{}\" is not days, times and a limit, as in \"mon-fri 08:00-18:00 5M\"", window));
        }
    }
    if (!config.scan.clamd.empty() && !clamav::Clamd::is_address(config.scan.clamd))
        problems.push_back("scan.clamd: neither the path of a socket nor host:port");
}

std::vector<std::string> allowed_hosts(const Config& config) {
    std::vector<std::string> hosts = config.network.allowed_hosts;
    const auto add = [&](const char* option, const std::string& endpoint) {
        if (config.sources.at(option) == "default") return;
        if (const auto url = parse_endpoint(endpoint)) hosts.push_back(url->host());
    };
    add("huggingface.endpoint", config.huggingface.endpoint);
    add("ollama.registry", config.ollama.registry);
    add("modelscope.endpoint", config.modelscope.endpoint);
    for (const std::string& mirror : config.huggingface.mirrors)
        add("huggingface.mirrors", mirror);
    return hosts;
}

SecretString huggingface_token(const Config& config) {
    if (!config.huggingface.token.empty()) return config.huggingface.token;
    return hubs::huggingface::token_of_user(process_environment());
}

Mirrors make_mirrors(const Config& config, HttpClient& http, const UrlGuard& guard) {
    Mirrors mirrors;
    for (const std::string& endpoint : config.huggingface.mirrors) {
        mirrors.push_back(std::make_unique<hubs::HuggingFaceHub>(
            hubs::HuggingFaceHub::Options{.endpoint = parse_endpoint(endpoint).value(), .token = {}}, http, guard));
    }
    return mirrors;
}

std::vector<models::Mirror> mirrors_of(const Config& config, const Mirrors& mirrors) {
    std::vector<models::Mirror> all;
    for (std::size_t i = 0; i < mirrors.size(); ++i) {
        all.push_back({.of = models::Source::huggingface,
                       .hub = mirrors[i].get(),
                       .host = parse_endpoint(config.huggingface.mirrors[i]).value().host()});
    }
    return all;
}

std::unique_ptr<clamav::Clamd> make_scanner(const Config& config, BlockingPool& files) {
    if (config.scan.clamd.empty()) return nullptr;
    return std::make_unique<clamav::Clamd>(
        clamav::Clamd::Options{.address = config.scan.clamd,
                               .part_bytes = static_cast<std::uint64_t>(config.scan.part_bytes),
                               .may_be_away = config.scan.unreachable == "skip"},
        files);
}

downloads::DownloadService::Settings download_settings(const Config& config) {
    return {.home = std::filesystem::absolute(config.home),
            .parallel = static_cast<int>(config.downloads.concurrent),
            .connections = static_cast<int>(config.downloads.connections),
            .speed_limit = static_cast<std::uint64_t>(config.downloads.speed_limit),
            .schedule = speed_schedule(config),
            .keep_free = static_cast<std::uint64_t>(config.downloads.keep_free_bytes)};
}

}  // namespace llmm::app
