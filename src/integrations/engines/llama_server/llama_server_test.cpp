#include "integrations/engines/llama_server/llama_server.hpp"

#include "base/json/json.hpp"
#include "integrations/engines/failure.hpp"
#include "support/event_loop.hpp"
#include "support/hostile_texts.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>
#include <signal.h>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::engines::llama_server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> names_of(const Details& problems) {
    std::vector<std::string> names;
    for (const Detail& problem : problems)
        names.push_back(problem.name);
    return names;
}

Launch launch_with(std::string_view config) {
    return {.program = {.path = "/opt/llama-server",
                        .version = "1",
                        .build = 1,
                        .flags = {"--no-ui", "--no-kv-unified", "--fit"}},
            .model = "/models/a b.gguf",
            .alias = "tiny-chat",
            .endpoint = UnixEndpoint{"/run/e.sock"},
            .options = parse_options(parse_json(config)),
            .directory = "/var/run-dir",
            .log = "/var/log-file"};
}

// The value behind a flag; "(absent)" and "(last)" where there is none.
std::string value_of(const std::vector<std::string>& arguments, std::string_view flag) {
    const auto found = std::ranges::find(arguments, flag);
    if (found == arguments.end()) return "(absent)";
    return std::next(found) == arguments.end() ? "(last)" : *std::next(found);
}

TEST(LlamaServerOptions, have_standards_within_their_own_bounds) {
    for (const EngineOption& option : kDescriptor.options) {
        EXPECT_TRUE(option.flag.starts_with("--")) << option.key;
        EXPECT_FALSE(option.meaning.en.empty() || option.meaning.zh.empty()) << option.key;
        EXPECT_EQ(find_option(kDescriptor, option.key), &option) << "two options with one key";
        if (const auto* number = std::get_if<std::int64_t>(&option.standard)) {
            EXPECT_TRUE(option.min <= *number && *number <= option.max) << option.key;
        }
        if (const auto* text = std::get_if<std::string_view>(&option.standard)) {
            EXPECT_THAT(option.choices, Contains(*text)) << option.key;
        }
    }
}

TEST(LlamaServerOptions, are_refused_by_name_when_wrong) {
    const std::pair<const char*, std::vector<std::string>> cases[] = {
        {R"({})", {}},
        {R"({"context_size":131072,"parallel":4,"gpu_layers":-1,"threads":8,"chat_template":"chatml"})", {}},
        {R"({"context_size":127})", {"context_size"}},
        {R"({"context_size":"4096"})", {"context_size"}},
        {R"({"context_size":16777217})", {"context_size"}},
        {R"({"context_size":16777216,"parallel":128})", {"context_size"}},
        {R"({"parallel":0})", {"parallel"}},
        {R"({"gpu_layers":-2})", {"gpu_layers"}},
        {R"({"threads":0})", {"threads"}},
        {R"({"batch_size":256,"ubatch_size":512})", {"ubatch_size"}},
        {R"({"flash_attention":"--tools"})", {"flash_attention"}},
        {R"({"flash_attention":true})", {"flash_attention"}},
        {R"({"cache_type_k":"q2_K"})", {"cache_type_k"}},
        {R"({"cache_type_v":"q8_0","flash_attention":"off"})", {"cache_type_v"}},
        {R"({"cache_type_v":"q8_0","flash_attention":"auto"})", {}},
        {R"({"embeddings":1})", {"embeddings"}},
        {R"({"chat_template":"{{ x }}"})", {"chat_template"}},
        {R"({"chat_template":"/etc/passwd"})", {"chat_template"}},
        {R"({"args":["--tools","all"],"--tools":"all"})", {"args", "--tools"}},
        {R"(["--tools"])", {""}},
    };
    for (const auto& [config, wrong] : cases)
        EXPECT_EQ(names_of(validate(parse_json(config))), wrong) << config;
}

TEST(LlamaServerCommandLine, says_everything_explicitly) {
    const auto arguments = command_line(launch_with(
        R"({"context_size":1024,"parallel":3,"gpu_layers":7,"threads":2,"cache_type_k":"q8_0","embeddings":true})"));
    EXPECT_THAT(arguments,
                ElementsAre("--model", "/models/a b.gguf", "--alias", "tiny-chat", "--host", "/run/e.sock", "--jinja",
                            "--ctx-size", "3072", "--parallel", "3", "--n-gpu-layers", "7", "--threads", "2",
                            "--threads-batch", "2", "--batch-size", "2048", "--ubatch-size", "512", "--flash-attn",
                            "auto", "--cache-type-k", "q8_0", "--cache-type-v", "f16", "--embeddings", "--offline",
                            "--no-ui", "--metrics", "--no-slots", "--no-kv-unified", "--fit", "off"));
}

TEST(LlamaServerCommandLine, keeps_no_old_prompts_unless_asked) {
    Launch launch = launch_with("{}");
    EXPECT_EQ(value_of(command_line(launch), "--cache-ram"), "(absent)");  // a build without such a cache
    launch.program.flags.insert("--cache-ram");
    EXPECT_EQ(value_of(command_line(launch), "--cache-ram"), "0");
    launch.options = parse_options(parse_json(R"({"prompt_cache_mib":256})"));
    EXPECT_EQ(value_of(command_line(launch), "--cache-ram"), "256");
}

TEST(LlamaServerCommandLine, follows_the_options_and_the_build) {
    Launch launch = launch_with(R"({"chat_template":"llama3"})");
    launch.endpoint = TcpEndpoint{"127.0.0.1", 8123};
    launch.program.flags = {};
    const auto arguments = command_line(launch);
    EXPECT_EQ(value_of(arguments, "--host"), "127.0.0.1");
    EXPECT_EQ(value_of(arguments, "--port"), "8123");
    EXPECT_EQ(value_of(arguments, "--n-gpu-layers"), "auto");
    EXPECT_EQ(value_of(arguments, "--chat-template"), "llama3");
    EXPECT_GE(std::stoi(value_of(arguments, "--threads")), 1);
    EXPECT_THAT(arguments, Contains("--no-jinja"));
    EXPECT_THAT(arguments, Contains("--no-webui"));
    EXPECT_THAT(arguments, Not(Contains("--jinja")));
    EXPECT_THAT(arguments, Not(Contains("--no-ui")));
    EXPECT_THAT(arguments, Not(Contains("--fit")));
    EXPECT_THAT(arguments, Not(Contains("--embeddings")));
}

TEST(LlamaServerCommandLine, refuses_names_that_could_mean_something_else) {
    const auto field_of = [](const auto& change) -> std::string {
        Launch launch = launch_with("{}");
        change(launch);
        try {
            command_line(launch);
        } catch (const Error& error) {
            return error.details().at(0).name;
        }
        return "";
    };
    for (const std::string& model : {"", "relative.gguf", "--tools", "-m", "/a\n--tools", "../x"}) {
        EXPECT_EQ(field_of([&](Launch& launch) { launch.model = model; }), "model") << model;
    }
    for (const std::string& alias : {std::string(""), std::string("--tools"), std::string("-"), std::string("a,b"),
                                     std::string("a\0b", 3), std::string("a\nb"), std::string(257, 'a')}) {
        EXPECT_EQ(field_of([&](Launch& launch) { launch.alias = alias; }), "alias") << alias;
    }
    for (const std::string& path :
         {std::string("e.sock"), std::string("/run/e"), std::string("--x.sock"), std::string("/a,0.0.0.0.sock"),
          std::string("/a\n.sock"), "/" + std::string(102, 'x') + ".sock", std::string("")}) {
        EXPECT_EQ(field_of([&](Launch& launch) { launch.endpoint = UnixEndpoint{path}; }), "endpoint") << path;
    }
    for (const char* address : {"0.0.0.0", "192.168.0.1", "::", "localhost", "--host", "127.0.0.1,0.0.0.0"}) {
        EXPECT_EQ(field_of([&](Launch& launch) { launch.endpoint = TcpEndpoint{address, 80}; }), "endpoint") << address;
    }
    EXPECT_EQ(field_of([](Launch& launch) { launch.endpoint = UnixEndpoint{"/" + std::string(101, 'x') + ".sock"}; }),
              "");
}

// Whatever somebody writes into the fields that are theirs, the command line is the same but for the value in its
// place.
TEST(LlamaServerCommandLine, hostile_texts_change_nothing_beyond_their_place) {
    const std::vector<std::string> plain = command_line(launch_with("{}"));
    const auto place_of = [&plain](std::string_view flag) {
        return static_cast<std::size_t>(std::ranges::find(plain, flag) - plain.begin()) + 1;
    };
    int cases = 0;
    for (const std::string& text : test::hostile_texts()) {
        for (const EngineOption& option : kDescriptor.options) {
            ++cases;
            EXPECT_THAT(names_of(validate(json::object{{option.key, text}})), ElementsAre(std::string(option.key)))
                << text;
        }
        for (const char* key : {"environment", "arguments", "program", "image", "model"}) {
            ++cases;
            EXPECT_THAT(names_of(validate(json::object{{key, text}})), ElementsAre(std::string(key))) << text;
        }
        const auto changes_only = [&](Launch launch, std::size_t place, const std::string& before) {
            ++cases;
            try {
                std::vector<std::string> arguments = command_line(launch);
                ASSERT_EQ(arguments.size(), plain.size()) << text;
                arguments[place] = before;
                EXPECT_EQ(arguments, plain) << text;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), ErrorCode::validation_failed) << text;
            }
        };
        Launch named = launch_with("{}");
        named.alias = text;
        changes_only(named, place_of("--alias"), "tiny-chat");
        Launch placed = launch_with("{}");
        placed.model = "/models/" + text;
        changes_only(placed, place_of("--model"), "/models/a b.gguf");
    }
    EXPECT_GE(cases, 700);
}

TEST(LlamaServerCommandLine, gives_a_small_environment_and_the_callers) {
    Launch launch = launch_with(R"({"threads":3})");
    launch.environment = {{"CUDA_VISIBLE_DEVICES", "1"}, {"LANG", "C"}};
    const ProcessSpec spec = process_spec(launch);
    EXPECT_EQ(spec.environment,
              (std::vector<std::pair<std::string, std::string>>{{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                                                {"HOME", "/var/run-dir"},
                                                                {"OMP_NUM_THREADS", "3"},
                                                                {"CUDA_VISIBLE_DEVICES", "1"},
                                                                {"LANG", "C"}}));
    EXPECT_EQ(spec.program, "/opt/llama-server");
    EXPECT_EQ(spec.working_directory, "/var/run-dir");
    EXPECT_EQ(spec.output, "/var/log-file");
}

class LlamaServerProgram : public testing::Test {
  protected:
    std::filesystem::path make_program(const std::filesystem::path& name, const std::string& script) {
        const auto path = directory_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << "#!/bin/sh\n" << script;
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path;
    }

    test::TemporaryDirectory directory_;
    test::EventLoop loop_;
};

TEST_F(LlamaServerProgram, is_searched_in_a_fixed_order) {
    const std::filesystem::path layout = "engines/llama-server/bin/llama-server";
    SearchPlaces places{.configured = {},
                        .path_variable = ":relative:" + (directory_ / "bin").native(),
                        .home = directory_ / "home",
                        .user_data = directory_ / "user"};
    const Location nowhere = locate(places);
    EXPECT_EQ(nowhere.program.has_value(), std::filesystem::exists("/usr/lib/llm-manager" / layout));
    EXPECT_THAT(nowhere.searched, Not(Contains(std::filesystem::path("relative/llama-server"))));

    const auto user = make_program("user" / layout, "");
    EXPECT_EQ(locate(places).program, user);
    const auto home = make_program("home" / layout, "");
    EXPECT_EQ(locate(places).program, home);
    std::filesystem::create_directories(directory_ / "bin" / "llama-server");  // a folder is no program
    EXPECT_EQ(locate(places).program, home);
    std::filesystem::remove(directory_ / "bin" / "llama-server");
    const auto on_path = make_program("bin/llama-server", "");
    EXPECT_EQ(locate(places).program, on_path);
    places.configured = make_program("own", "");
    EXPECT_EQ(locate(places).program, places.configured);

    places.configured = directory_ / "missing";
    const Location refused = locate(places);
    EXPECT_EQ(refused.program, std::nullopt) << "another program is not what was asked for";
    EXPECT_THAT(refused.reason.en, HasSubstr("LLM_MANAGER_LLAMA_SERVER"));
}

TEST_F(LlamaServerProgram, is_asked_for_its_version_and_flags) {
    std::string help;
    for (const EngineOption& option : kDescriptor.options)
        help += fmt::format("echo '-x,   {} N   words'\n", option.flag);
    const std::string script =
        "case $1 in --version) echo 'version: 0.7.0 (build 11669, commit Debian)' >&2;; *)\n" + help +
        "echo '--ui,  --webui, --no-ui, --no-webui     about --other'; echo '   --not-a-flag';; esac\n";
    const Program program = loop_.run(probe(make_program("engine", script)));
    EXPECT_EQ(program.version, "0.7.0 (build 11669, commit Debian)");
    EXPECT_EQ(program.build, 11669);
    EXPECT_TRUE(program.offers("--no-ui") && program.offers("--no-webui") && program.offers("-x"));
    EXPECT_FALSE(program.offers("--other") || program.offers("--not-a-flag"));

    const Program older = loop_.run(probe(make_program("older", "echo 'version: 6300 (0a1b2c3d)'\n" + help)));
    EXPECT_EQ(older.build, 6300);
    const Program unknown = loop_.run(probe(make_program("unknown", "echo 'version: 0.9.1 (x)'\n" + help)));
    EXPECT_EQ(unknown.build, std::nullopt);
}

TEST_F(LlamaServerProgram, is_refused_when_it_is_something_else) {
    const std::filesystem::path wrong[] = {
        make_program("silent", "exit 0"), make_program("failing", "echo 'version: 1'; exit 1"),
        make_program("without-flags", "echo 'version: 1 (x)'"), directory_ / "missing"};
    for (const auto& program : wrong) {
        try {
            loop_.run(probe(program));
            ADD_FAILURE() << program;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::engine_unavailable) << program;
        }
    }
}

TEST(LlamaServerFailure, is_explained_from_the_log_and_the_exit_status) {
    const ExitStatus one{.code = 1, .signal = {}};
    const std::tuple<std::vector<std::string>, ExitStatus, ErrorCode, const char*> cases[] = {
        {{"E gguf_init_from_reader: invalid magic characters: '# Ti', expected 'GGUF'",
          "E srv  load_model: failed to load model, '/m/README.md'"},
         one,
         ErrorCode::unsupported_format,
         "not a valid GGUF"},
        {{"E load_backend: failed to load /x: /x: cannot open shared object file: No such file or directory",
          "E llama_model_load_from_file_impl: no backends are loaded. hint: use ggml_backend_load()"},
         one,
         ErrorCode::engine_unavailable,
         "no compute backend"},
        {{"E srv         start: couldn't bind HTTP server socket, hostname: /e.sock, port: 9931"},
         one,
         ErrorCode::port_in_use,
         "address is in use"},
        {{"llama-server: error while loading shared libraries: libllama.so.0: cannot open shared object "
          "file"},
         {.code = 127, .signal = {}},
         ErrorCode::engine_unavailable,
         "library"},
        {{"error: invalid argument: --x"}, one, ErrorCode::engine_unavailable, "does not know one of the options"},
        {{"error loading model: error loading model architecture: unknown model architecture: 'new'",
          "failed to load model"},
         one,
         ErrorCode::unsupported_format,
         "architecture"},
        {{"ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9000.00 MiB on device 0: cudaMalloc "
          "failed: out of memory"},
         one,
         ErrorCode::insufficient_memory,
         "not enough memory"},
        {{"terminate called after throwing an instance of 'std::bad_alloc'"},
         {.code = {}, .signal = SIGABRT},
         ErrorCode::insufficient_memory,
         "not enough memory"},
        {{"E model loader: tensor 'blk.3' data is not within the file bounds, model is corrupted or "
          "incomplete"},
         one,
         ErrorCode::engine_failed,
         "damaged or incomplete"},
        {{"E llama_init_from_model: quantized V cache requires flash_attn to be enabled"},
         one,
         ErrorCode::validation_failed,
         "cache_type_v"},
        {{"I srv load_model: loading model"},
         {.code = {}, .signal = SIGKILL},
         ErrorCode::insufficient_memory,
         "memory ran out"},
        {{}, {.code = {}, .signal = SIGILL}, ErrorCode::engine_unavailable, "another processor"},
        {{}, {.code = {}, .signal = SIGSEGV}, ErrorCode::engine_failed, "signal 11 (Segmentation fault)"},
        {{"E srv load_model: failed to load model, 'x'"}, one, ErrorCode::engine_failed, "can't load this model"},
        {{}, {.code = 3, .signal = {}}, ErrorCode::engine_failed, "exit code 3"},
        {{}, {}, ErrorCode::engine_failed, "ended"},
    };
    for (const auto& [log, status, code, words] : cases) {
        const FailureCause cause = explain_failure(log, status);
        EXPECT_EQ(cause.code, code) << cause.text.en;
        EXPECT_THAT(cause.text.en, HasSubstr(words));
        EXPECT_FALSE(cause.text.zh.empty());
        EXPECT_THAT(cause.text.en, Not(HasSubstr("/m/"))) << "no path is shown";
    }
}

}  // namespace
}  // namespace llmm::engines::llama_server
