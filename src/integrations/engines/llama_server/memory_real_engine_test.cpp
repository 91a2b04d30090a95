#include "base/async/signal.hpp"
#include "base/fs/file.hpp"
#include "base/json/json.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"
#include "integrations/engines/llama_server/memory_estimate.hpp"
#include "integrations/hardware/hardware.hpp"
#include "support/event_loop.hpp"
#include "support/paths.hpp"
#include "support/temporary_directory.hpp"

#include <cstdlib>
#include <fcntl.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

// The estimate beside what the engine that users run really takes. Measured is the largest resident size that the
// kernel saw (VmHWM: anonymous memory and the mapped pages of the weights), after a prompt that fills one context;
// estimated is the sum of the terms with what is reclaimable. `make test-memory` runs all shapes, the unit tests the
// two smallest.
namespace llmm::engines::llama_server {
namespace {

using namespace std::chrono_literals;

constexpr double kTolerance = 0.10;
constexpr std::chrono::minutes kPatience{20};

struct Shape {
    std::string_view name;
    std::string_view model;   // arguments of tools/synthetic-gguf
    std::string_view config;  // of the deployment
    bool is_short = false;
};

constexpr Shape kShapes[] = {
    {"11M, 2 slots", "--layers 4 --embedding 384 --heads 6 --kv-heads 2 --ffn 1152 --vocab 4096",
     R"({"context_size":1024,"parallel":2})", true},
    {"MoE 30M, quantised cache",
     "--layers 4 --embedding 512 --heads 8 --kv-heads 8 --ffn 768 --experts 4 --vocab 2048 --type q4_0",
     R"({"context_size":2048,"cache_type_k":"q8_0","cache_type_v":"q8_0","flash_attention":"on"})", true},
    {"vocabulary of 128k, tied", "--layers 6 --embedding 512 --heads 8 --kv-heads 2 --ffn 2048 --vocab 131072 --tied",
     R"({"context_size":2048})"},
    {"long context, many kv heads", "--layers 8 --embedding 512 --heads 8 --kv-heads 8 --ffn 1536 --vocab 4096",
     R"({"context_size":16384})"},
    {"0.3B q4_K, 4 slots", "--layers 24 --embedding 1024 --heads 16 --kv-heads 8 --ffn 3072 --vocab 32000 --type q4_k",
     R"({"context_size":1024,"parallel":4})"},
    {"0.3B f16, small batch",
     "--layers 12 --embedding 1024 --heads 16 --kv-heads 4 --ffn 4096 --vocab 32000 --type f16",
     R"({"context_size":2048,"ubatch_size":128})"},
    {"without flash attention",
     "--layers 8 --embedding 768 --heads 12 --kv-heads 4 --ffn 2048 --vocab 8192 --type q6_k",
     R"({"context_size":2048,"flash_attention":"off"})"},
    {"1.4 GB q8_0", "--layers 22 --embedding 2048 --heads 32 --kv-heads 8 --ffn 5632 --vocab 32000",
     R"({"context_size":1024})"},
};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Task<bool> becomes_ready(Upstream& engine, Process& process) {
    for (int i = 0; i < 6000 && !process.status(); ++i) {
        if (co_await health(engine) == Health::ready) co_return true;
        co_await sleep_for(50ms);
    }
    co_return false;
}

Task<int> fill_context(Upstream& engine, std::int64_t tokens) {
    json::array prompt;
    for (std::int64_t i = 0; i < tokens; ++i)
        prompt.emplace_back(10 + i * 7919 % 900);
    const json::value body = {{"prompt", std::move(prompt)}, {"n_predict", 4}, {"cache_prompt", false}};
    UpstreamResponse response = co_await engine.send({.method = "POST",
                                                      .target = "/completion",
                                                      .headers = {{"Content-Type", "application/json"}},
                                                      .body = json::serialize(body),
                                                      .head_timeout = 900s,
                                                      .read_timeout = 900s});
    co_await response.read_all();
    co_return response.status();
}

ModelShape read_shape(const std::filesystem::path& file) {
    const UniqueFd fd = open_file(file, O_RDONLY);
    const auto header = formats::read_gguf(formats::DescriptorSource::whole_file(fd.get())).value();
    return shape_of(std::span(&header, 1));
}

std::vector<Shape> wanted_shapes() {
    std::vector<Shape> shapes(std::begin(kShapes), std::end(kShapes));
    if (variable("LLMM_MEMORY_SHAPES") != "all")
        std::erase_if(shapes, [](const Shape& shape) { return !shape.is_short; });
    return shapes;
}

class MeasuredMemory : public testing::TestWithParam<Shape> {};

TEST_P(MeasuredMemory, IsWhatWasEstimated) {
    const Shape& shape = GetParam();
    test::EventLoop loop;
    test::TemporaryDirectory directory;
    const auto model = directory / "m.gguf";
    const std::string generate = std::string(LLMM_SOURCE_DIR "/tools/synthetic-gguf ") + model.native() + " " +
                                 std::string(shape.model) + " >/dev/null";
    ASSERT_EQ(std::system(generate.c_str()), 0);

    const Location location = locate({.configured = variable("LLM_MANAGER_LLAMA_SERVER"),
                                      .path_variable = variable("PATH"),
                                      .home = {},
                                      .user_data = variable("HOME") + "/.local/share/llm-manager"});
    ASSERT_TRUE(location.program) << location.reason.en;
    const Launch launch{.program = loop.run(probe(*location.program)),
                        .model = model,
                        .alias = "m",
                        .endpoint = UnixEndpoint{directory / "e.sock"},
                        .options = parse_options(parse_json(shape.config)),
                        .directory = directory.path(),
                        .log = directory / "log"};
    const MemorySettings settings = memory_settings(launch.options, false);
    const MemoryEstimate estimate = estimate_memory(read_shape(model), settings);
    ASSERT_TRUE(estimate.is_known());

    Process process = Process::start(loop.executor(), process_spec(launch));
    Upstream engine(launch.endpoint);
    ASSERT_TRUE(loop.run(becomes_ready(engine, process), kPatience))
        << fmt::format("{}", fmt::join(tail_log(launch.log, 30), "\n"));
    EXPECT_EQ(loop.run(fill_context(engine, settings.context_size - 8), kPatience), 200);
    const auto memory = hardware::read_process_memory(process.identity().pid, false);
    loop.run(process.stop(10s));
    ASSERT_TRUE(memory && memory->peak_resident);

    const auto estimated = static_cast<double>(*estimate.resident());
    const auto measured = static_cast<double>(*memory->peak_resident);
    const double off = estimated / measured - 1;
    fmt::print("memory | {:<28} | file {:7.1f} MiB | estimated {:7.1f} MiB | measured {:7.1f} MiB | {:+5.1f} %\n",
               shape.name, static_cast<double>(std::filesystem::file_size(model)) / 1048576, estimated / 1048576,
               measured / 1048576, 100 * off);
    for (const MemoryTerm& term : estimate.terms) {
        fmt::print("       |   {:<18} {:8.1f} MiB  {}\n", term.name,
                   static_cast<double>(term.bytes.value_or(0)) / 1048576, term.how.en);
    }
    EXPECT_LE(std::abs(off), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Shapes, MeasuredMemory, testing::ValuesIn(wanted_shapes()),
                         [](const auto& info) { return "shape" + std::to_string(info.index); });

}  // namespace
}  // namespace llmm::engines::llama_server
