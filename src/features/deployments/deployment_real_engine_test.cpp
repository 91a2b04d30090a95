#include "features/deployments/deployment_log.hpp"
#include "features/deployments/deployment_service.hpp"
#include "support/deployment_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using ::testing::HasSubstr;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Task<std::string> ask(Upstream& engine) {
    UpstreamResponse response =
        co_await engine.send({.method = "POST",
                              .target = "/v1/chat/completions",
                              .headers = {{"Content-Type", "application/json"}},
                              .body = R"({"max_tokens":8,"messages":[{"role":"user","content":"Hello"}]})"});
    co_return co_await response.read_all();
}

// With the engine that users run. A missing one fails the test: nothing else proves that a deployment answers.
TEST(RealDeployment, runs_answers_and_is_adopted) {
    test::DeploymentWorld world;
    world.end(false);
    world.places = {.configured = variable("LLM_MANAGER_LLAMA_SERVER"),
                    .path_variable = variable("PATH"),
                    .home = {},
                    .user_data = std::filesystem::path(variable("HOME")) / ".local/share/llm-manager"};
    world.begin();
    const auto engine = world.run(world.service->engines()).at(0);
    ASSERT_FALSE(engine.availability.reason)
        << "no llama-server here: run scripts/install-llama-server (" << engine.availability.reason->en << ')';

    const auto created = world.create({.config = R"({"context_size":256,"parallel":2})"});
    auto lease = world.lease(created);
    EXPECT_THAT(world.run(ask(lease.upstream())), HasSubstr(R"("choices")"));
    const auto running = world.until_status(created, Status::running);
    EXPECT_THAT(running.effective.value_or(""), HasSubstr(R"("context_size":512,"context_per_slot":256,"parallel":2)"));
    EXPECT_FALSE(read_log_tail(world.service->log_path(created.id), 5).lines.empty());

    world.end(true);
    world.begin();
    auto again = world.lease(created);
    EXPECT_THAT(world.run(ask(again.upstream())), HasSubstr(R"("choices")"));
    EXPECT_EQ(world.now(created).instances.at(0).process, running.instances.at(0).process);
}

}  // namespace
}  // namespace llmm::deployments
