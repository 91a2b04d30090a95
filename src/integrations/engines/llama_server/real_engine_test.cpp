#include "base/async/signal.hpp"
#include "base/json/json.hpp"
#include "integrations/engines/failure.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"
#include "support/event_loop.hpp"
#include "support/paths.hpp"
#include "support/temporary_directory.hpp"

#include <cstdlib>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::engines::llama_server {
namespace {

using namespace std::chrono_literals;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

SearchPlaces places() {
    const std::filesystem::path user_data = std::filesystem::path(variable("HOME")) / ".local/share/llm-manager";
    const std::filesystem::path home = variable("LLM_MANAGER_HOME");
    return {.configured = variable("LLM_MANAGER_LLAMA_SERVER"),
            .path_variable = variable("PATH"),
            .home = home.empty() ? user_data : home,
            .user_data = user_data};
}

Task<Health> wait_until_loaded(Upstream& engine, Process& process) {
    for (int i = 0; i < 2000 && !process.status(); ++i) {
        const Health now = co_await health(engine);
        if (now != Health::loading) co_return now;
        co_await sleep_for(10ms);
    }
    co_return Health::loading;
}

Task<std::string> ask(Upstream& engine, std::string question) {
    const json::value body = {{"model", "tiny"},
                              {"temperature", 0},
                              {"max_tokens", 32},
                              {"messages", {{{"role", "user"}, {"content", question}}}}};
    UpstreamResponse response = co_await engine.send({.method = "POST",
                                                      .target = "/v1/chat/completions",
                                                      .headers = {{"Content-Type", "application/json"}},
                                                      .body = json::serialize(body)});
    co_return co_await response.read_all();
}

// Against the engine that users run: a missing one fails the test, because nothing else proves these facts.
TEST(RealLlamaServer, starts_describes_itself_answers_and_stops) {
    const Location location = locate(places());
    ASSERT_TRUE(location.program) << "no llama-server here: run scripts/install-llama-server (" << location.reason.en
                                  << ')';
    test::EventLoop loop;
    test::TemporaryDirectory directory;
    const Launch launch{.program = loop.run(probe(*location.program)),
                        .model = LLMM_SOURCE_DIR "/share/demo/tiny-chat.q8_0.gguf",
                        .alias = "tiny",
                        .endpoint = UnixEndpoint{directory / "e.sock"},
                        .options = parse_options(json::value{{"context_size", 512}, {"parallel", 2}, {"threads", 1}}),
                        .directory = directory.path(),
                        .log = directory / "log"};
    Process process = Process::start(loop.executor(), process_spec(launch));
    Upstream engine(launch.endpoint);
    ASSERT_EQ(loop.run(wait_until_loaded(engine, process)), Health::ready)
        << fmt::format("{}", fmt::join(tail_log(launch.log, 50), "\n"));

    const json::object facts = loop.run(effective(engine));
    EXPECT_EQ(facts.at("context_size"), json::value(512));
    EXPECT_EQ(facts.at("parallel"), json::value(2));
    EXPECT_EQ(facts.at("model_file"), json::value("tiny-chat.q8_0.gguf"));
    EXPECT_EQ(facts.at("chat_template_sha256").as_string().size(), 64u);
    EXPECT_EQ(facts.at("modalities").at("vision"), json::value(false));
    EXPECT_TRUE(facts.at("build").is_string());
    EXPECT_EQ(facts.at("sleeping"), json::value(false));

    const std::string answer = loop.run(ask(engine, "What is the capital of France?"));
    EXPECT_NE(answer.find("Paris"), std::string::npos) << answer;
    EXPECT_NE(answer.find("\"model\":\"tiny\""), std::string::npos) << answer;

    EXPECT_EQ(loop.run(process.stop(10s)).code, 0);
}

TEST(RealLlamaServer, is_explained_when_the_model_is_not_one) {
    const Location location = locate(places());
    ASSERT_TRUE(location.program) << "no llama-server here: run scripts/install-llama-server (" << location.reason.en
                                  << ')';
    test::EventLoop loop;
    test::TemporaryDirectory directory;
    const Launch launch{.program = loop.run(probe(*location.program)),
                        .model = LLMM_SOURCE_DIR "/LICENSE",
                        .alias = "tiny",
                        .endpoint = UnixEndpoint{directory / "e.sock"},
                        .options = parse_options(json::object{}),
                        .directory = directory.path(),
                        .log = directory / "log"};
    Process process = Process::start(loop.executor(), process_spec(launch));
    const ExitStatus status = loop.run(process.wait());
    EXPECT_EQ(explain_failure(tail_log(launch.log, 50), status).code, ErrorCode::unsupported_format)
        << fmt::format("{}", fmt::join(tail_log(launch.log, 50), "\n"));
}

}  // namespace
}  // namespace llmm::engines::llama_server
