#include "app/cli/command_line.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/interrupt.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Answers every request with the same data and keeps them as "METHOD path body".
class RecordedApi final : public Api {
  public:
    RecordedApi(std::vector<std::string>& asked, std::function<json::value()> answer)
        : asked_(asked), answer_(std::move(answer)) {}

    json::value send(const ApiRequest& request) override {
        asked_.push_back(request.method + " " + request.path +
                         (request.body ? " " + json::serialize(*request.body) : ""));
        return answer_();
    }
    json::value read(const std::string&) override { return answer_(); }
    void stream(const ApiRequest& request, const std::function<bool(const ServerEvent&)>&) override { send(request); }
    const std::string& url() const override { return url_; }

  private:
    std::vector<std::string>& asked_;
    std::function<json::value()> answer_;
    std::string url_ = "http://127.0.0.1:5000";
};

class CommandLineTest : public ::testing::Test {
  protected:
    int call(std::vector<std::string> arguments) {
        Terminal terminal{.in = in_, .out = out_, .err = err_, .text = Texts(Language::en)};
        terminal.sleep = [](std::chrono::milliseconds) {};
        const Surroundings surroundings{
            .environment = [this](const std::string& name) -> std::optional<std::string> {
                const auto found = variables_.find(name);
                return found == variables_.end() ? std::nullopt : std::optional(found->second);
            },
            .serve = [this](const Config& config) { return served_ = config.server.listen, 7; },
            .migrate = [](const Config&) { return 8; },
            .connect =
                [this](Connection connection, Texts) {
                    connection_ = std::move(connection);
                    return std::make_unique<RecordedApi>(asked_, answer_);
                }};
        return execute(std::move(arguments), terminal, surroundings);
    }

    std::map<std::string, std::string> variables_{{"LLM_MANAGER_HOME", "/nonexistent"}};
    std::function<json::value()> answer_ = [] { return json::object{{"items", json::array()}}; };
    std::vector<std::string> asked_;
    Connection connection_;
    std::string served_;
    std::stringstream in_, out_, err_;
};

TEST_F(CommandLineTest, search_becomes_a_query) {
    EXPECT_EQ(call({"search", "tiny chat", "--format", "gguf", "--sort", "likes", "--limit", "5"}), 0);
    EXPECT_THAT(asked_, ElementsAre("GET /api/v1/hub/models?q=tiny%20chat&format=gguf&sort=likes&limit=5"));
}

TEST_F(CommandLineTest, global_options_may_follow_the_command) {
    EXPECT_EQ(call({"list", "--json", "--url", "http://[::1]:81/"}), 0);
    EXPECT_EQ(connection_.url, "http://[::1]:81");
    EXPECT_TRUE(connection_.is_loopback);
    EXPECT_EQ(out_.str(), "{\"items\":[]}\n");
}

TEST_F(CommandLineTest, deploy_sends_what_was_asked_for) {
    EXPECT_EQ(call({"deploy", "--set", "threads=4", "--set", "embeddings=true", "hf.co/a/b", "--name", "b", "--port",
                    "9000"}),
              0);
    EXPECT_THAT(asked_, ElementsAre("GET /api/v1/deployments?limit=200",
                                    R"(POST /api/v1/deployments {"ref":"hf.co/a/b","name":"b","port":9000,)"
                                    R"("config":{"threads":4,"embeddings":true}})"));
}

TEST_F(CommandLineTest, deploy_names_an_engine_and_shows_why_one_was_chosen) {
    EXPECT_EQ(call({"deploy", "demo:x", "--engine", "docker"}), 0);
    EXPECT_EQ(asked_.back(), R"(POST /api/v1/deployments {"ref":"demo:x","engine":"docker"})");
    EXPECT_EQ(call({"deploy", "http://127.0.0.1:9", "--engine", "external"}), 0);
    EXPECT_EQ(asked_.back(), R"(POST /api/v1/deployments {"engine":"external","config":{"url":"http://127.0.0.1:9"}})");
    EXPECT_EQ(call({"deploy", "demo:x", "--engine", "magic"}), 2);

    answer_ = [] {
        return json::object{{"items", json::array()},
                            {"name", "x"},
                            {"status", "deploying"},
                            {"engine", "llama-server"},
                            {"engine_reason", "llama-server 1 runs GGUF on this machine"}};
    };
    EXPECT_EQ(call({"deploy", "demo:x", "--engine", "auto"}), 0);
    EXPECT_THAT(err_.str(), HasSubstr("Engine: llama-server (llama-server 1 runs GGUF on this machine)"));
}

TEST_F(CommandLineTest, a_hint_is_of_the_engine_that_is_missing) {
    const auto hint_for = [this](const char* engine) {
        err_.str("");
        answer_ = [engine]() -> json::value {
            throw ApiError(503, "ENGINE_UNAVAILABLE", "not here", json::object{{"engine", engine}});
        };
        EXPECT_EQ(call({"list"}), 1);
        return err_.str();
    };
    EXPECT_THAT(hint_for("llama-server"), HasSubstr("Install llama-server"));
    EXPECT_THAT(hint_for("docker"), ::testing::Not(HasSubstr("llama-server")));
}

TEST_F(CommandLineTest, deploy_on_another_engine_is_other_settings) {
    answer_ = [] {
        return json::object{
            {"items", json::array{json::object{
                          {"id", "p"}, {"name", "x"}, {"engine", "llama-server"}, {"model_ref", "demo:x@1"}}}}};
    };
    EXPECT_EQ(call({"deploy", "demo:x", "--engine", "docker"}), 1);
    EXPECT_THAT(err_.str(), HasSubstr("rm --deployment x"));
}

TEST_F(CommandLineTest, deploy_with_other_settings_is_refused) {
    answer_ = [] {
        return json::object{
            {"items",
             json::array{json::object{
                 {"id", "p"}, {"name", "x"}, {"model_ref", "demo:x@1"}, {"config", json::object{{"parallel", 2}}}}}}};
    };
    EXPECT_EQ(call({"deploy", "demo:x", "--parallel", "4"}), 1);
    EXPECT_THAT(err_.str(), HasSubstr("rm --deployment x"));
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(CommandLineTest, a_prompt_may_be_the_name_of_a_command) {
    call({"run", "tiny", "stop"});
    EXPECT_THAT(err_.str(), HasSubstr("no deployment or model tiny"));
}

TEST_F(CommandLineTest, serve_gets_the_configuration) {
    EXPECT_EQ(call({"serve", "--set", "server.listen=127.0.0.1:6000"}), 7);
    EXPECT_EQ(served_, "127.0.0.1:6000");
    EXPECT_EQ(call({"migrate"}), 8);
}

TEST_F(CommandLineTest, failures_have_their_exit_codes) {
    const std::vector<std::pair<std::function<json::value()>, int>> cases = {
        {[]() -> json::value { throw ApiError(409, "NAME_TAKEN", "taken", {}); }, 1},
        {[]() -> json::value { throw Unreachable("http://x", "no"); }, 3},
        {[]() -> json::value { throw Interrupted(); }, 130}};
    for (const auto& [answer, code] : cases) {
        answer_ = answer;
        EXPECT_EQ(call({"list"}), code);
    }
    EXPECT_EQ(call({"list", "--url", "ftp://x"}), 2);
}

TEST_F(CommandLineTest, the_key_of_this_machine_stays_on_this_machine) {
    variables_["LLM_MANAGER_CONFIG"] = "/nonexistent/config.toml";  // would be read for the local key
    EXPECT_EQ(call({"list", "--url", "http://models.example"}), 0);
    EXPECT_TRUE(connection_.key.empty());
    EXPECT_EQ(call({"list", "--url", "http://127.0.0.1:1"}), 2);
    EXPECT_EQ(call({"list", "--url", "http://127.evil.example"}), 0);
    EXPECT_FALSE(connection_.is_loopback);
}

TEST(UrlOfListenAddress, reaches_wildcards_over_loopback) {
    EXPECT_EQ(url_of_listen_address("0.0.0.0:5000", false), "http://127.0.0.1:5000");
    EXPECT_EQ(url_of_listen_address("[::]:5000", true), "https://[::1]:5000");
    EXPECT_EQ(url_of_listen_address("10.0.0.1:80", false), "http://10.0.0.1:80");
}

TEST(ChooseLanguage, prefers_the_option_then_the_locale) {
    EXPECT_EQ(choose_language("zh", nullptr, nullptr, "en_US.UTF-8"), Language::zh);
    EXPECT_EQ(choose_language("", nullptr, "", "zh_CN.UTF-8"), Language::zh);
    EXPECT_EQ(choose_language("", "C", nullptr, "zh_CN.UTF-8"), Language::en);
    EXPECT_EQ(language_option(std::vector<std::string>{"list", "--lang=zh"}), "zh");
    EXPECT_EQ(language_option(std::vector<std::string>{"run", "--", "--lang", "zh"}), "");
}

}  // namespace
}  // namespace llmm::app::cli
