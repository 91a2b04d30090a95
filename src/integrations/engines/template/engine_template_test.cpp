#include "integrations/engines/template/engine_template.hpp"

#include "support/hostile_texts.hpp"
#include "support/paths.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::engines {
namespace {

namespace json = boost::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kProgram = R"(
title = "Test"
program = "test-server"
formats = ["safetensors"]
arguments = ["serve", "{model}", "--name={name}", "{{literal}}", "--listen", "{address}:{port}"]
[[options]]
key = "context_size"
type = "integer"
min = 1
max = 100
default = 10
arguments = ["--context", "{value}"]
[[options]]
key = "fast"
type = "boolean"
arguments = ["--fast"]
[[options]]
key = "dtype"
type = "choice"
choices = ["half", "full"]
arguments = ["--dtype={value}"]
)";

std::vector<std::string> mistakes(TemplateKind kind, std::string_view text, std::string name = "test") {
    std::vector<std::string> names;
    try {
        EngineTemplate::parse(kind, std::move(name), text);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::validation_failed);
        for (const Detail& detail : error.details())
            names.push_back(detail.name);
    }
    return names;
}

TEST(EngineTemplate, fills_its_places_and_nothing_else) {
    const auto engine = EngineTemplate::parse(TemplateKind::process, "test", kProgram);
    const TemplateValues values{.model = "/models/{port} m", .name = "n", .port = 8080};
    EXPECT_THAT(engine.arguments(values, R"({"template":"test"})"),
                ElementsAre("serve", "/models/{port} m", "--name=n", "{literal}", "--listen", "127.0.0.1:8080",
                            "--context", "10"));
    EXPECT_THAT(engine.arguments(values, R"({"context_size":7,"fast":true,"dtype":"half"})"),
                ElementsAre("serve", "/models/{port} m", "--name=n", "{literal}", "--listen", "127.0.0.1:8080",
                            "--context", "7", "--fast", "--dtype=half"));
    EXPECT_THAT(engine.check(R"({"context_size":100,"fast":false,"dtype":"full"})"), IsEmpty());
    for (const char* bad :
         {R"({"context_size":101})", R"({"context_size":"7"})", R"({"dtype":"--fast"})", R"({"dtype":"half "})",
          R"({"fast":"yes"})", R"({"image":"evil"})", R"({"arguments":["x"]})", R"({"program":"/bin/sh"})"}) {
        EXPECT_THAT(engine.check(bad), Not(IsEmpty())) << bad;
    }
}

TEST(EngineTemplate, hostile_texts_change_nothing_beyond_their_place) {
    const auto engine = EngineTemplate::parse(TemplateKind::process, "test", kProgram);
    const auto arguments = [&engine](const std::string& model, const std::string& name) {
        return engine.arguments({.model = model, .name = name, .port = 8080}, "{}");
    };
    const std::vector<std::string> plain = arguments("/m", "n");
    int cases = 0;
    for (const std::string& text : test::hostile_texts()) {
        for (const char* key : {"context_size", "fast", "dtype", "program", "environment", "arguments"}) {
            ++cases;
            EXPECT_THAT(engine.check(json::serialize(json::object{{key, text}})), Not(IsEmpty())) << key << text;
        }
        cases += 2;
        std::vector<std::string> modelled = arguments("/" + text, "n"), named = arguments("/m", text);
        EXPECT_EQ(modelled.at(1), "/" + text);
        EXPECT_EQ(named.at(2), "--name=" + text);
        modelled[1] = "/m";
        named[2] = "--name=n";
        EXPECT_EQ(modelled, plain) << text;
        EXPECT_EQ(named, plain) << text;
    }
    EXPECT_GE(cases, 300);
}

TEST(EngineTemplate, names_every_mistake) {
    EXPECT_THAT(mistakes(TemplateKind::docker, ""), ElementsAre("image", "formats"));
    EXPECT_THAT(mistakes(TemplateKind::process, "program = 'a/b'\nformats = ['gguf']"), ElementsAre("program"));
    EXPECT_THAT(mistakes(TemplateKind::process, "program = ["), ElementsAre(""));
    EXPECT_THAT(mistakes(TemplateKind::process, kProgram, "../x"), ElementsAre("name"));
    const std::string head = "program = 'x'\nformats = ['gguf']\n";
    for (const auto& [text, field] :
         {std::pair{"arguments = ['{secret}']", "arguments[0]"}, std::pair{"arguments = ['{value}']", "arguments[0]"},
          std::pair{"arguments = ['{model']", "arguments[0]"}, std::pair{"arguments = ['}']", "arguments[0]"},
          std::pair{"arguments = [1]", "arguments[0]"}, std::pair{"privileged = true", "privileged"},
          std::pair{"metrics = { cats = 'x' }", "metrics.cats"},
          std::pair{"environment = { 'A B' = 'x' }", "environment.A B"}, std::pair{"health = 'x'", "health"},
          std::pair{"[[options]]\nkey='a'\ntype='text'\narguments=['x']", "options[0].type"},
          std::pair{"[[options]]\nkey='a'\ntype='choice'\nchoices=['-x']\narguments=['x']", "options[0].choices"},
          std::pair{"[[options]]\nkey='a'\ntype='integer'\nmin=1\nmax=2\ndefault=3\narguments=['x']",
                    "options[0].default"},
          std::pair{"[[options]]\nkey='template'\ntype='boolean'\narguments=['x']", "options[0].key"}}) {
        EXPECT_THAT(mistakes(TemplateKind::process, head + text), Contains(field)) << text;
    }
}

TEST(EngineTemplate, shipped_ones_are_without_mistakes) {
    const std::filesystem::path share = LLMM_SOURCE_DIR "/share/engines";
    const auto docker = load_templates(TemplateKind::docker, {share / "docker"});
    const auto process = load_templates(TemplateKind::process, {share / "process"});
    EXPECT_EQ(docker.size(), 4u);
    EXPECT_EQ(process.size(), 3u);
    for (const Templates* templates : {&docker, &process}) {
        for (const auto& [name, engine] : *templates) {
            EXPECT_THAT(engine.check("{}"), IsEmpty()) << name;
            EXPECT_THAT(engine.arguments({.model = "/m", .name = "n", .port = 1}, "{}"), Contains("/m")) << name;
        }
    }
    EXPECT_EQ(with_template(docker, "{}", "gguf"), R"({"template":"llama.cpp"})");
    EXPECT_EQ(with_template(docker, "{}", "safetensors"), R"({"template":"vllm"})");
    EXPECT_EQ(with_template(docker, R"({"template":"x"})", "gguf"), R"({"template":"x"})");
}

TEST(EngineTemplate, uses_memory_as_it_says) {
    const Templates shipped = load_templates(TemplateKind::docker, {LLMM_SOURCE_DIR "/share/engines/docker"});
    const EngineTemplate& cpu = shipped.at("llama.cpp");
    const auto settings = cpu.memory_settings(R"({"context_size":8192,"parallel":4})", false);
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->context_size, 2048);  // --ctx-size is that of all slots
    EXPECT_EQ(settings->parallel, 4);
    EXPECT_EQ(settings->gpu_layers, 0u);
    EXPECT_EQ(shipped.at("llama.cpp-cuda").memory_settings("{}", true)->gpu_layers, llama_server::kAllLayers);
    EXPECT_EQ(shipped.at("llama.cpp-cuda").memory_settings(R"({"gpu_layers":3})", true)->gpu_layers, 3u);
    EXPECT_FALSE(shipped.at("vllm").memory_settings("{}", true));
}

TEST(EngineTemplate, of_an_operator_takes_the_place_of_a_shipped_one) {
    const test::TemporaryDirectory directory;
    std::filesystem::create_directories(directory / "a");
    std::filesystem::create_directories(directory / "b");
    std::ofstream(directory / "a/test.toml") << kProgram;
    std::ofstream(directory / "a/broken.toml") << "program = 1";
    std::ofstream(directory / "b/test.toml") << "title = 'Mine'\n" << kProgram.substr(kProgram.find("program"));
    const auto templates =
        load_templates(TemplateKind::process, {directory / "a", directory / "b", directory / "none"});
    ASSERT_EQ(templates.size(), 1u);
    EXPECT_EQ(templates.begin()->second.title(), "Mine");
}

}  // namespace
}  // namespace llmm::engines
