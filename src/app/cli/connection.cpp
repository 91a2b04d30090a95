#include "app/cli/connection.hpp"

#include "app/cli/phrases.hpp"
#include "base/net/url.hpp"

#include <fstream>

namespace llmm::app::cli {
namespace {

std::string first_value(std::initializer_list<std::string> names, const Environment& environment) {
    for (const std::string& name : names) {
        if (const auto value = environment(name); value && !value->empty()) return *value;
    }
    return {};
}

// A host name may begin like that as well.
bool is_in_127(const std::string& host) {
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

bool is_loopback(const std::string& host) {
    return host == "localhost" || host.ends_with(".localhost") || is_in_127(host) || host == "::1";
}

SecretString key_on_disk(const Config& config) {
    if (!config.auth.admin_key.empty()) return config.auth.admin_key;
    std::ifstream file(config.home / "secrets/admin-key");
    std::string key;
    std::getline(file, key);
    return SecretString(key);
}

}  // namespace

std::string url_of_listen_address(const std::string& listen, bool is_tls) {
    const auto colon = listen.rfind(':');
    std::string host = listen.substr(0, colon);
    if (host == "0.0.0.0" || host == "*" || host.empty()) host = "127.0.0.1";
    if (host == "[::]") host = "[::1]";
    return (is_tls ? "https://" : "http://") + host + (colon == std::string::npos ? "" : listen.substr(colon));
}

Connection find_service(const std::string& url, const std::string& key, const Environment& environment,
                        const Texts& texts) {
    Connection connection;
    std::optional<Config> config;  // read only when needed: a mistake in it is no reason to refuse --url with --api-key
    const auto local = [&]() -> const Config& {
        if (!config) config = load_config(environment, {});
        return *config;
    };

    connection.url = url.empty() ? first_value({"LLM_MANAGER_URL"}, environment) : url;
    if (connection.url.empty()) {
        const bool is_tls = !local().server.tls_certificate.empty();
        connection.url = url_of_listen_address(local().server.listen, is_tls);
        connection.ca_file = local().server.tls_certificate;
    }
    const auto parsed = Url::parse(connection.url);
    if (!parsed || !parsed->query().empty()) throw WrongUsage(texts(phrases::bad_url, connection.url));
    while (connection.url.ends_with('/'))
        connection.url.pop_back();
    connection.is_loopback = is_loopback(parsed->host());

    connection.key =
        SecretString(key.empty() ? first_value({"LLM_MANAGER_API_KEY", "LLM_MANAGER_ADMIN_KEY"}, environment) : key);
    if (connection.key.empty() && connection.is_loopback) connection.key = key_on_disk(local());
    if (connection.key.reveal().find_first_of("\r\n") != std::string::npos) connection.key = {};
    return connection;
}

}  // namespace llmm::app::cli
