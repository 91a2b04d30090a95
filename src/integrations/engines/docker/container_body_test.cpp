#include "base/json/json.hpp"
#include "integrations/engines/docker/docker_engine.hpp"
#include "support/hostile_texts.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::engines::docker {
namespace {

EngineTemplate engine_for_test() {
    return EngineTemplate::parse(TemplateKind::docker, "test", R"(
image = "registry.example/engine:1"
formats = ["gguf"]
gpus = true
port = 8080
memory_bytes = 1000000
api_key_environment = "KEY"
arguments = ["--model", "{model}", "--alias", "{name}", "--port", "{port}"]
[[options]]
key = "context_size"
type = "integer"
min = 1
max = 4096
arguments = ["--ctx-size", "{value}"]
[[options]]
key = "dtype"
type = "choice"
choices = ["half", "full"]
arguments = ["--dtype", "{value}"]
)");
}

json::object body_of(const EngineTemplate& engine, Order order, std::string file = "m.gguf") {
    const ContainerOrder container{.engine = engine,
                                   .order = order,
                                   .home_label = "home",
                                   .files = {{"/blobs/x", file}},
                                   .model = "/models/" + file,
                                   .key = "secret",
                                   .user = 1000,
                                   .group = 1000};
    return parse_json(container_body(container)).as_object();
}

Order order_for_test() {
    return {.deployment = "d", .instance = "i", .name = "tiny", .model = "/m/m.gguf", .config = "{}", .log = "/log"};
}

TEST(ContainerBody, has_no_rights_but_those_it_needs) {
    const auto engine = engine_for_test();
    const json::object body = body_of(engine, order_for_test());
    const json::object& host = body.at("HostConfig").as_object();
    EXPECT_EQ(host.at("CapDrop"), json::value(json::array{"ALL"}));
    EXPECT_EQ(host.at("SecurityOpt"), json::value(json::array{"no-new-privileges:true"}));
    EXPECT_EQ(host.at("ReadonlyRootfs"), json::value(true));
    EXPECT_EQ(host.at("PidsLimit"), json::value(4096));
    EXPECT_EQ(host.at("Memory"), json::value(1'000'000));
    EXPECT_EQ(host.at("PortBindings").at("8080/tcp").at(0).at("HostIp"), json::value("127.0.0.1"));
    EXPECT_EQ(host.at("Mounts").as_array().size(), 1u);
    EXPECT_EQ(host.at("Mounts").at(0).at("ReadOnly"), json::value(true));
    EXPECT_EQ(body.at("User"), json::value("1000:1000"));
    for (const char* never :
         {"Privileged", "NetworkMode", "PidMode", "IpcMode", "Binds", "CapAdd", "Devices", "UsernsMode"})
        EXPECT_FALSE(host.contains(never)) << never;
    EXPECT_EQ(json::serialize(body.at("Cmd")), R"(["--model","/models/m.gguf","--alias","tiny","--port","8080"])");
}

TEST(ContainerBody, names_gpus_in_one_of_the_two_ways) {
    const auto engine = engine_for_test();
    const auto requests = [&engine](const std::string& device) {
        Order order = order_for_test();
        order.gpu_device = device;
        return json::serialize(body_of(engine, order).at("HostConfig").at("DeviceRequests"));
    };
    EXPECT_EQ(requests("cpu"), "[]");
    EXPECT_EQ(requests("auto"), R"([{"Driver":"nvidia","Capabilities":[["gpu"]],"Count":-1}])");
    EXPECT_EQ(requests("0,1"), R"([{"Driver":"nvidia","Capabilities":[["gpu"]],"DeviceIDs":["0","1"]}])");
    EXPECT_EQ(
        requests("GPU-00000000-0000-0000-0000-000000000000"),
        R"([{"Driver":"nvidia","Capabilities":[["gpu"]],"DeviceIDs":["GPU-00000000-0000-0000-0000-000000000000"]}])");
}

// Whatever somebody writes into the fields that are theirs, the container is the same but for the value in its place.
TEST(ContainerBody, hostile_texts_change_nothing_beyond_their_place) {
    const auto engine = engine_for_test();
    int cases = 0, refused = 0;
    const std::string plain = json::serialize(body_of(engine, order_for_test()));
    for (const std::string& text : test::hostile_texts()) {
        for (const char* key : {"context_size", "dtype", "image", "environment", "arguments"}) {
            // As a config's value, whatever its type: refused before any body is made.
            ++cases;
            const std::string config = json::serialize(json::object{{key, text}});
            if (!engine.check(config).empty()) ++refused;
        }
        // As a key of a config.
        ++cases;
        if (!engine.check(json::serialize(json::object{{text, 1}})).empty()) ++refused;
        // As a name: the value of its flag, and nothing else.
        ++cases;
        Order order = order_for_test();
        order.name = text;
        json::object named = body_of(engine, order);
        EXPECT_EQ(named.at("Cmd").as_array().at(3), json::value(text)) << text;
        named["Cmd"].as_array()[3] = "tiny";
        EXPECT_EQ(json::serialize(named), plain) << text;
        ++refused;
        // As a model's file name: one argument and one mount, and no more.
        ++cases;
        json::object body = body_of(engine, order_for_test(), text);
        EXPECT_EQ(body.at("Cmd").as_array().size(), 6u) << text;
        EXPECT_EQ(body.at("Cmd").at(1), json::value("/models/" + text)) << text;
        EXPECT_EQ(body.at("HostConfig").at("Mounts").at(0).at("Target"), json::value("/models/" + text)) << text;
        body["Cmd"].as_array()[1] = "/models/m.gguf";
        body["HostConfig"].as_object()["Mounts"].as_array()[0].as_object()["Target"] = "/models/m.gguf";
        EXPECT_EQ(json::serialize(body), plain) << text;
        ++refused;
    }
    EXPECT_EQ(refused, cases);
    EXPECT_GE(cases, 300);
}

}  // namespace
}  // namespace llmm::engines::docker
