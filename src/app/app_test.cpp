#include "app/app.hpp"

#include "base/error/error.hpp"
#include "base/fs/embedded.hpp"
#include "http/router.hpp"
#include "support/paths.hpp"
#include "support/temporary_directory.hpp"

#include <set>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::app {

std::span<const EmbeddedFile> embedded_api();

namespace {

Config config_in(const std::filesystem::path& home, std::vector<std::string> overrides = {}) {
    overrides.push_back("server.listen=127.0.0.1:0");
    return load_config(
        [&](const std::string& name) -> std::optional<std::string> {
            if (name == "LLM_MANAGER_HOME") return home.string();
            if (name == "LLM_MANAGER_ADMIN_KEY") return "key";
            return std::nullopt;
        },
        overrides);
}

std::vector<std::string> problems_of(const Config& config) {
    try {
        check_config(config);
    } catch (const ConfigError& error) {
        return error.problems();
    }
    return {};
}

}  // namespace

// The description is the contract: what it names exists, and nothing else does. Permissions are part of it.
TEST(App, routes_and_description_name_the_same_operations) {
    const test::TemporaryDirectory home;
    asio::io_context loop;
    const App app(loop, config_in(home.path()), std::filesystem::path(LLMM_SOURCE_DIR) / "share");
    std::set<std::string> routed, described;
    for (const http::Route& route : app.router().routes()) {
        std::string method(http::name_of(route.method));
        for (char& c : method)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        routed.insert(method + " " + route.path + " " + route.operation + " " +
                      std::string(http::name_of(route.permission)));
    }
    const auto document = boost::json::parse(embedded_api().front().content);
    for (const auto& path : document.at("paths").as_object()) {
        for (const auto& method : path.value().as_object()) {
            const auto* operation =
                method.value().is_object() ? method.value().as_object().if_contains("operationId") : nullptr;
            if (!operation) continue;
            described.insert(std::string(method.key()) + " " + std::string(path.key()) + " " +
                             std::string(operation->as_string()) + " " +
                             std::string(method.value().at("x-permission").as_string()));
        }
    }
    EXPECT_EQ(routed, described);
    EXPECT_GT(routed.size(), 40u);
}

TEST(App, is_built_and_taken_down_many_times) {
    const test::TemporaryDirectory home;
    for (int i = 0; i < 10; ++i) {
        asio::io_context loop;
        const App app(loop, config_in(home.path()), std::filesystem::path(LLMM_SOURCE_DIR) / "share");
    }
}

TEST(App, a_configuration_that_opens_the_service_to_everybody_is_refused) {
    const test::TemporaryDirectory home;
    auto config = config_in(home.path(), {"auth.mode=none"});
    EXPECT_TRUE(problems_of(config).empty());
    config.server.listen = "0.0.0.0:5000";
    EXPECT_EQ(problems_of(config).size(), 1u);
    config.server.listen = "nowhere";
    config.server.tls_key = "key.pem";
    config.huggingface.endpoint = "ftp://example";
    EXPECT_EQ(problems_of(config).size(), 3u);
}

}  // namespace llmm::app
