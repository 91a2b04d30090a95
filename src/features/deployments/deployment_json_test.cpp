#include "features/deployments/deployment_json.hpp"

#include "base/json/json.hpp"
#include "integrations/engines/llama_server/llama_server_engine.hpp"

#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

std::set<std::string> problems_of(std::string_view body) {
    std::set<std::string> names;
    try {
        parse_request(parse_json(body));
    } catch (const Error& error) {
        for (const Detail& detail : error.details())
            names.insert(detail.name);
    }
    return names;
}

Deployment example() {
    return {
        .id = DeploymentId::generate(),
        .model_id = ModelId::generate(),
        .model_ref = "demo:tiny-chat",
        .name = "tiny",
        .engine = "llama-server",
        .engine_reason = "",
        .status = Status::running,
        .desired = Desired::running,
        .port = {},
        .config = R"({"parallel":2})",
        .effective = R"({"parallel":2})",
        .last_error = "bad \xff byte",
        .instances = {{.id = InstanceId::generate(),
                       .state = InstanceState::ready,
                       .process = ProcessIdentity{.pid = 7, .start_ticks = 0, .boot_id = {}},
                       .endpoint = "unix:/a.sock",
                       .memory_bytes = 5},
                      {.id = InstanceId::generate(), .process = {}, .endpoint = "unix:/b.sock", .memory_bytes = {}}}};
}

TEST(DeploymentJson, a_full_request_is_read) {
    const auto request = parse_request(parse_json(
        R"({"ref":"demo:tiny-chat","name":"tiny","engine":"llama-server","gpu_device":"cpu","port":2000,"replicas":1,
            "config":{"parallel":2},"auto_start":false,"idle_unload_seconds":60})"));
    EXPECT_EQ(request.ref, "demo:tiny-chat");
    EXPECT_EQ(request.name, "tiny");
    EXPECT_EQ(request.engine, "llama-server");
    EXPECT_EQ(request.gpu_device, "cpu");
    EXPECT_EQ(request.port, 2000);
    EXPECT_EQ(request.config, R"({"parallel":2})");
    EXPECT_FALSE(request.auto_start);
    EXPECT_EQ(request.idle_unload_seconds, 60);
}

TEST(DeploymentJson, every_bad_field_is_named) {
    EXPECT_EQ(problems_of(R"({"ref":"demo:tiny-chat","port":80,"replicas":0,"engine":"vllm","config":[],"nmae":"x"})"),
              (std::set<std::string>{"port", "replicas", "engine", "config", "nmae"}));
    EXPECT_TRUE(problems_of("{}").contains("model_id"));
    EXPECT_TRUE(problems_of(R"({"model_id":"x","ref":"demo:tiny-chat"})").contains("model_id"));
    EXPECT_THROW(parse_changes(parse_json("{}")), Error);
}

TEST(DeploymentJson, problems_of_the_config_have_its_name) {
    asio::io_context loop;
    BlockingPool files("files", 1);
    const engines::llama_server::LlamaServerEngine engine({loop.get_executor(), files, "/"}, {});
    try {
        check_config(engine, R"({"parallel":0,"port":1})");
        FAIL() << "accepted";
    } catch (const Error& error) {
        std::set<std::string> names;
        for (const Detail& detail : error.details())
            names.insert(detail.name);
        EXPECT_EQ(names, (std::set<std::string>{"config.parallel", "config.port"}));
    }
}

TEST(DeploymentJson, what_is_not_known_is_null) {
    const json::value value = to_json(example());
    EXPECT_EQ(value.at_pointer("/engine_reason"), nullptr);
    EXPECT_EQ(value.at_pointer("/memory/estimated_bytes"), nullptr);
    EXPECT_EQ(value.at_pointer("/memory/measured_bytes"), 5);
    EXPECT_EQ(value.at_pointer("/instances/0/pid"), 7);
    EXPECT_EQ(value.at_pointer("/instances/1/pid"), nullptr);
    EXPECT_EQ(value.at_pointer("/config/parallel"), 2);
    EXPECT_EQ(value.at_pointer("/last_error"), "bad \xef\xbf\xbd byte");
}

TEST(DeploymentJson, a_deployment_on_the_cpu_has_no_layers_elsewhere) {
    engines::Order order;
    order.gpu_device = "cpu";
    EXPECT_EQ(engines::llama_server::options_of(order).integer("gpu_layers"), 0);
    order.gpu_device = "auto";
    EXPECT_NE(engines::llama_server::options_of(order).integer("gpu_layers"), 0);
}

}  // namespace
}  // namespace llmm::deployments
