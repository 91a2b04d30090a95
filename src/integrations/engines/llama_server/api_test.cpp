#include "base/async/signal.hpp"
#include "base/json/json.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"
#include "support/event_loop.hpp"
#include "support/paths.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>
#include <signal.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::engines::llama_server {
namespace {

using namespace std::chrono_literals;

// An engine that misbehaves as its script says: see tests/fakes/engine.
class FakeLlamaServer : public testing::Test {
  protected:
    void start(const json::object& script) {
        std::ofstream(directory_ / "script.json") << json::serialize(script);
        const std::filesystem::path program = LLMM_SOURCE_DIR "/tests/fakes/engine";
        const Launch launch{.program = loop_.run(probe(program)),
                            .model = "/models/secret-folder/tiny.gguf",
                            .alias = "tiny",
                            .endpoint = engine_.endpoint(),
                            .options = parse_options(json::value{{"context_size", 300}, {"parallel", 2}}),
                            .directory = directory_.path(),
                            .log = directory_ / "log",
                            .environment = {{"FAKE_ENGINE_SCRIPT", directory_ / "script.json"}}};
        process_.emplace(Process::start(loop_.executor(), process_spec(launch)));
        for (int i = 0; i < 1000 && !std::filesystem::exists(directory_ / "e.sock"); ++i)
            loop_.run(sleep_for(10ms));
        ASSERT_FALSE(process_->status()) << fmt::format("{}", fmt::join(tail_log(launch.log, 20), "\n"));
    }
    void TearDown() override {
        if (process_) loop_.run(process_->stop(0ms));
    }

    test::EventLoop loop_;
    test::TemporaryDirectory directory_;
    Upstream engine_{UnixEndpoint{directory_ / "e.sock"}};
    std::optional<Process> process_;
};

TEST_F(FakeLlamaServer, is_loading_until_it_listens_and_until_it_is_ready) {
    EXPECT_EQ(loop_.run(health(engine_)), Health::loading);
    start({{"ready_after_s", -1}});
    EXPECT_EQ(loop_.run(health(engine_)), Health::loading);
    try {
        loop_.run(effective(engine_));
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::engine_failed);
    }
}

TEST_F(FakeLlamaServer, tells_what_it_runs_with_but_not_where_the_model_lies) {
    start({});
    EXPECT_EQ(loop_.run(health(engine_)), Health::ready);
    const json::object facts = loop_.run(effective(engine_));
    EXPECT_EQ(facts.at("context_size"), json::value(300));
    EXPECT_EQ(facts.at("build"), json::value("b11669-Debian"));
    EXPECT_EQ(facts.at("model_file"), json::value("tiny.gguf"));
    EXPECT_EQ(json::serialize(facts).find("secret-folder"), std::string::npos);
}

TEST_F(FakeLlamaServer, is_loading_for_a_socket_that_nobody_listens_on) {
    start({});
    process_->signal_group(SIGKILL);
    loop_.run(process_->wait());
    EXPECT_EQ(loop_.run(health(engine_)), Health::loading) << "whether it has ended is known from the process";
}

TEST_F(FakeLlamaServer, has_failed_when_it_hangs_up_without_an_answer) {
    asio::local::stream_protocol::acceptor acceptor(loop_.context(), (directory_ / "e.sock").native());
    acceptor.async_accept([](boost::system::error_code, asio::local::stream_protocol::socket) {});
    EXPECT_EQ(loop_.run(health(engine_)), Health::failed);
}

}  // namespace
}  // namespace llmm::engines::llama_server
