#include "base/json/reader.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"

#include <array>
#include <limits>

#include <boost/json.hpp>

namespace llmm::engines::llama_server {
namespace {

using namespace std::string_view_literals;

constexpr std::array kFormats{"gguf"sv};
constexpr std::array kFlashAttention{"auto"sv, "on"sv, "off"sv};
// llama.cpp's kv_cache_types (common/arg.cpp).
constexpr std::array kCacheTypes{"f32"sv,  "f16"sv,    "bf16"sv, "q8_0"sv, "q4_0"sv,
                                 "q4_1"sv, "iq4_nl"sv, "q5_0"sv, "q5_1"sv};
constexpr std::array kFloatCacheTypes{"f32"sv, "f16"sv, "bf16"sv};
// Templates that llama.cpp has built in. Templates as text are not offered: they are programs.
constexpr std::array kChatTemplates{"chatglm3"sv,
                                    "chatglm4"sv,
                                    "chatml"sv,
                                    "command-r"sv,
                                    "deepseek"sv,
                                    "deepseek2"sv,
                                    "deepseek3"sv,
                                    "exaone3"sv,
                                    "falcon3"sv,
                                    "gemma"sv,
                                    "granite"sv,
                                    "llama2"sv,
                                    "llama2-sys"sv,
                                    "llama3"sv,
                                    "llama4"sv,
                                    "minicpm"sv,
                                    "mistral-v1"sv,
                                    "mistral-v3"sv,
                                    "mistral-v3-tekken"sv,
                                    "mistral-v7"sv,
                                    "monarch"sv,
                                    "openchat"sv,
                                    "orion"sv,
                                    "phi3"sv,
                                    "phi4"sv,
                                    "vicuna"sv,
                                    "vicuna-orca"sv,
                                    "zephyr"sv};

constexpr std::array kOptions{
    EngineOption{.key = "context_size",
                 .type = OptionType::integer,
                 .standard = std::int64_t{4096},
                 .min = 128,
                 .max = 16 * 1024 * 1024,
                 .flag = "--ctx-size",
                 .meaning = {"tokens that one conversation may have; memory is taken for this many times parallel",
                             "单个对话的最大 token 数；实际占用的内存为该值乘以 parallel"}},
    EngineOption{.key = "parallel",
                 .type = OptionType::integer,
                 .standard = std::int64_t{1},
                 .min = 1,
                 .max = 256,  // LLAMA_MAX_SEQ
                 .flag = "--parallel",
                 .meaning = {"conversations that are answered at the same time", "同时处理的对话数"}},
    EngineOption{.key = "gpu_layers",
                 .type = OptionType::integer,
                 .standard = std::int64_t{-1},
                 .min = -1,
                 .max = 10'000,
                 .flag = "--n-gpu-layers",
                 .meaning = {"layers of the model on the GPU; -1: as many as fit, 0: none",
                             "放在 GPU 上的模型层数；-1 表示尽可能多，0 表示不使用 GPU"}},
    EngineOption{.key = "threads",
                 .type = OptionType::integer,
                 .min = 1,
                 .max = 1024,
                 .flag = "--threads",
                 .meaning = {"threads that compute; not set: one for each CPU that this program may use",
                             "计算线程数；不设置时等于本程序可用的 CPU 数"}},
    EngineOption{.key = "batch_size",
                 .type = OptionType::integer,
                 .standard = std::int64_t{2048},
                 .min = 32,
                 .max = 65'536,
                 .flag = "--batch-size",
                 .meaning = {"tokens of a prompt that are taken at once", "一次接收的提示词 token 数"}},
    EngineOption{
        .key = "ubatch_size",
        .type = OptionType::integer,
        .standard = std::int64_t{512},
        .min = 1,
        .max = 65'536,
        .flag = "--ubatch-size",
        .meaning = {"tokens that are computed at once; at most batch_size", "一次计算的 token 数，不超过 batch_size"}},
    EngineOption{.key = "flash_attention",
                 .type = OptionType::choice,
                 .standard = "auto"sv,
                 .choices = kFlashAttention,
                 .flag = "--flash-attn",
                 .meaning = {"the faster form of attention", "使用更快的注意力算法"}},
    EngineOption{.key = "cache_type_k",
                 .type = OptionType::choice,
                 .standard = "f16"sv,
                 .choices = kCacheTypes,
                 .flag = "--cache-type-k",
                 .meaning = {"number format of the keys in the context's memory", "上下文缓存中键的数值格式"}},
    EngineOption{.key = "cache_type_v",
                 .type = OptionType::choice,
                 .standard = "f16"sv,
                 .choices = kCacheTypes,
                 .flag = "--cache-type-v",
                 .meaning = {"number format of the values in the context's memory; the small ones need flash_attention",
                             "上下文缓存中值的数值格式；量化格式需要 flash_attention"}},
    EngineOption{.key = "prompt_cache_mib",
                 .type = OptionType::integer,
                 .standard = std::int64_t{0},
                 .min = 0,
                 .max = 1024 * 1024,
                 .flag = "--cache-ram",
                 .meaning = {"memory for the contexts of earlier conversations, in MiB; 0: none",
                             "用于保留先前对话上下文的内存（MiB）；0 表示不保留"}},
    EngineOption{.key = "embeddings",
                 .type = OptionType::boolean,
                 .standard = false,
                 .flag = "--embeddings",
                 .meaning = {"serves embeddings and nothing else", "仅提供向量嵌入服务"}},
    EngineOption{.key = "chat_template",
                 .type = OptionType::choice,
                 .choices = kChatTemplates,
                 .flag = "--chat-template",
                 .meaning = {"how messages become a prompt; not set: as the model's file says",
                             "把消息转换为提示词的模板；不设置时使用模型文件自带的模板"}},
};

void check_together(const OptionValues& options, ObjectReader& in) {
    if (options.integer("ubatch_size") > options.integer("batch_size")) {
        in.add_problem("ubatch_size", {"must not be larger than batch_size", "不能大于 batch_size"});
    }
    if (options.integer("context_size") * options.integer("parallel") > std::numeric_limits<std::int32_t>::max()) {
        in.add_problem("context_size",
                       {"times parallel must be below 2147483648", "与 parallel 的乘积必须小于 2147483648"});
    }
    // llama.cpp refuses to start with it.
    const bool is_float = std::ranges::find(kFloatCacheTypes, options.text("cache_type_v")) != kFloatCacheTypes.end();
    if (!is_float && options.text("flash_attention") == "off") {
        in.add_problem("cache_type_v", {"needs flash_attention for this type", "该类型需要启用 flash_attention"});
    }
}

}  // namespace

const EngineDescriptor kDescriptor{
    .name = "llama-server", .title = "llama.cpp", .formats = kFormats, .options = kOptions};

OptionValues parse_options(const boost::json::value& config) {
    ObjectReader in(config);
    OptionValues options = read_options(kDescriptor, in);
    check_together(options, in);
    in.finish();
    return options;
}

Details validate(const boost::json::value& config) {
    try {
        parse_options(config);
    } catch (const Error& error) {
        return error.details();
    }
    return {};
}

}  // namespace llmm::engines::llama_server
