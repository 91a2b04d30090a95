#include "base/config/config.hpp"

#include "support/temporary_directory.hpp"

#include <fstream>
#include <map>

#include <gtest/gtest.h>

namespace llmm {
namespace {

class ConfigTest : public ::testing::Test {
  public:
    Config load(std::vector<std::string> overrides = {}) {
        environment_["LLM_MANAGER_HOME"] = home_.path().string();
        return load_config(
            [this](const std::string& name) -> std::optional<std::string> {
                const auto found = environment_.find(name);
                return found == environment_.end() ? std::nullopt : std::optional(found->second);
            },
            overrides);
    }
    std::vector<std::string> problems(std::vector<std::string> overrides = {}) {
        try {
            load(std::move(overrides));
        } catch (const ConfigError& error) {
            return error.problems();
        }
        return {};
    }
    void write_file(const std::string& text) { std::ofstream(home_ / "config.toml") << text; }

    test::TemporaryDirectory home_;
    std::map<std::string, std::string> environment_;
};

}  // namespace

TEST_F(ConfigTest, later_sources_win_and_are_named) {
    write_file("[server]\nlisten = \"127.0.0.1:1\"\nallowed_hosts = [\"a\", \"b\"]\n[log]\nlevel = \"debug\"\n");
    environment_["LLM_MANAGER_LISTEN"] = "127.0.0.1:2";
    const Config config = load({"log.level=error"});
    EXPECT_EQ(config.server.listen, "127.0.0.1:2");
    EXPECT_EQ(config.sources.at("server.listen"), "environment LLM_MANAGER_LISTEN");
    EXPECT_EQ(config.server.allowed_hosts, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(config.log.level, "error");
    EXPECT_EQ(config.sources.at("log.level"), "--set");
    EXPECT_EQ(config.sources.at("log.format"), "default");
}

TEST_F(ConfigTest, every_mistake_is_reported_at_once) {
    write_file("[server]\nlissen = \"x\"\n[log]\nlevel = \"loud\"\n");
    environment_["LLM_MANAGER_SERVER_GRACE_SECONDS"] = "soon";
    EXPECT_EQ(problems({"nothing.here=1", "server.grace_seconds=-1"}).size(), 5u);
    write_file("not toml");
    EXPECT_EQ(problems().size(), 2u);
}

TEST_F(ConfigTest, secrets_come_from_files_too_and_are_never_shown) {
    std::ofstream(home_ / "token") << "hf_secret\nsecond line\n";
    environment_["HF_TOKEN_FILE"] = (home_ / "token").string();
    environment_["LLM_MANAGER_ADMIN_KEY"] = "very-secret";
    const Config config = load();
    EXPECT_EQ(config.huggingface.token.reveal(), "hf_secret");
    const std::string shown = describe_config(config);
    EXPECT_EQ(shown.find("hf_secret"), std::string::npos);
    EXPECT_EQ(shown.find("very-secret"), std::string::npos);
    EXPECT_NE(shown.find("********"), std::string::npos);
    environment_["HF_TOKEN_FILE"] = "/nonexistent";
    EXPECT_EQ(problems().size(), 1u);
}

TEST_F(ConfigTest, what_was_shown_can_be_set_again) {
    for (const ConfigOption& option : config_options()) {
        if (option.secret) continue;
        const Config config = load();
        EXPECT_TRUE(problems({std::string(option.key) + "=" + option.get(config)}).empty()) << option.key;
    }
}

}  // namespace llmm
