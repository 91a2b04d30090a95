#include "integrations/engines/llama_server/memory_estimate.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llmm::engines::llama_server {
namespace {

using namespace std::string_view_literals;

// Every layer has attention over the whole context with the head counts of the header, and nothing else that grows with
// the context. Others have windows, latent attention or recurrent state.
constexpr std::array kPlainAttention{
    "llama"sv,  "qwen2"sv,     "qwen2moe"sv,  "qwen3"sv,   "qwen3moe"sv, "granite"sv, "granitemoe"sv, "internlm2"sv,
    "olmo"sv,   "olmo2"sv,     "olmoe"sv,     "phi2"sv,    "gpt2"sv,     "gptneox"sv, "starcoder2"sv, "stablelm"sv,
    "falcon"sv, "baichuan"sv,  "minicpm"sv,   "exaone"sv,  "nemotron"sv, "orion"sv,   "xverse"sv,     "smollm3"sv,
    "refact"sv, "command-r"sv, "codeshell"sv, "chatglm"sv, "arcee"sv,    "ernie4_5"sv};

struct CacheType {
    std::string_view name;
    std::uint64_t elements, bytes;  // of a block
};
constexpr CacheType kCacheTypes[] = {{"f32", 1, 4},      {"f16", 1, 2},    {"bf16", 1, 2},
                                     {"q8_0", 32, 34},   {"q4_0", 32, 18}, {"q4_1", 32, 20},
                                     {"iq4_nl", 32, 18}, {"q5_0", 32, 22}, {"q5_1", 32, 24}};

// ggml keeps a second, rearranged copy of matrices of these types for the CPU (Q4_0, Q4_K and IQ4_NL; seen with AVX2,
// build 11669; q8_0, q6_K, q5_K, q3_K, q2_K, f16 and f32 stayed single).
constexpr std::uint32_t kRepackedTypes[] = {2, 12, 20};

constexpr std::uint64_t kCellsPadding = 256;  // llama.cpp rounds the context of a slot up to it
constexpr std::uint64_t kMiB = 1 << 20;
// Measured with build 11669 on x86-64: mapped pages of the program and its libraries, and what it allocates before any
// model (threads, server, tables).
constexpr std::uint64_t kProgram = 17 * kMiB + 5 * kMiB;
// Measured with vocabularies of 1 thousand to 131 thousand words: tables from text to number and back.
constexpr std::uint64_t kBytesPerToken = 180, kBytesPerMerge = 130;
// Assumed: what a CUDA or HIP runtime takes of a GPU for itself. Not measured by us.
constexpr std::uint64_t kGpuRuntime = 400 * kMiB;

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) {
    return (value + step - 1) / step * step;
}

double mib(std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(kMiB);
}

std::optional<std::uint64_t> cache_row(std::string_view type, std::uint64_t values) {
    const auto* found = std::ranges::find(kCacheTypes, type, &CacheType::name);
    if (found == std::end(kCacheTypes)) return std::nullopt;
    return values / found->elements * found->bytes;
}

// The numbers that the formula needs, all of them.
struct Attention {
    std::uint64_t layers, embedding, feed_forward, heads, kv_heads, key, value, experts_used;
    std::uint64_t query_width() const { return heads * key; }
    std::uint64_t kv_width() const { return kv_heads * std::max(key, value); }
};

std::optional<Attention> understood(const ModelShape& model, Text& why) {
    const formats::GgufHeader& about = model.description;
    const std::string architecture = about.architecture.value_or("?");
    if (std::ranges::find(kPlainAttention, architecture) == kPlainAttention.end()) {
        why = Text::format("how the architecture {} uses memory is not known here", "尚不了解架构 {} 的内存用法",
                           architecture);
        return std::nullopt;
    }
    if (about.sliding_window.value_or(0) > 0 || about.varies_by_layer) {
        why = {"the model's layers differ in their attention, which is not calculated here",
               "该模型各层的注意力不同，暂不支持估算"};
        return std::nullopt;
    }
    if (!about.block_count || !about.embedding_length || !about.head_count || *about.head_count == 0) {
        why = {"the model's file does not tell its shape", "模型文件没有说明其结构"};
        return std::nullopt;
    }
    const std::uint64_t head = *about.embedding_length / *about.head_count;
    return Attention{.layers = *about.block_count,
                     .embedding = *about.embedding_length,
                     .feed_forward = about.feed_forward_length.value_or(4 * *about.embedding_length),
                     .heads = *about.head_count,
                     .kv_heads = about.head_count_kv.value_or(*about.head_count),
                     .key = about.key_length.value_or(head),
                     .value = about.value_length.value_or(head),
                     .experts_used = about.expert_count.value_or(0) > 0 ? about.expert_used_count.value_or(1) : 1};
}

std::uint64_t cells(const MemorySettings& settings) {
    return round_up(static_cast<std::uint64_t>(settings.context_size), kCellsPadding) *
           static_cast<std::uint64_t>(settings.parallel);
}

std::uint64_t tokens_at_once(const MemorySettings& settings) {
    return static_cast<std::uint64_t>(
        std::min({settings.ubatch_size, settings.batch_size, settings.context_size * settings.parallel}));
}

// What llama.cpp sets aside for the intermediate results of one batch. Fitted to what build 11669 reports for shapes
// from 256 to 2048 wide: vectors of the embedding's width that live at the same time, the mask, and without flash
// attention the scores of every head.
std::uint64_t compute_bytes(const Attention& shape, const MemorySettings& settings) {
    const std::uint64_t tokens = tokens_at_once(settings);
    const std::uint64_t context = round_up(static_cast<std::uint64_t>(settings.context_size), kCellsPadding);
    const std::uint64_t vector = shape.embedding * 4 * tokens;  // f32
    const std::uint64_t inner = shape.feed_forward * shape.experts_used * 4 * tokens;
    const std::uint64_t query = shape.query_width() * 4 * tokens, kv = shape.kv_width() * 4 * tokens;
    const std::uint64_t wide = 3 * inner + 5 * vector;
    const std::uint64_t narrow = std::max(3 * inner + 7 * vector / 2, 5 * vector + query + kv);
    const std::uint64_t graph = inner > 2 * vector ? wide : narrow;
    if (settings.flash_attention) return graph + context * tokens * 2;  // the mask in f16
    return graph + context * tokens * 4 + context * tokens * shape.heads * 4;
}

// The CPU converts the input of a multiplication to the weights' own kind: two bytes a value at most.
std::uint64_t work_bytes(const Attention& shape, const MemorySettings& settings) {
    return std::max({shape.embedding, shape.feed_forward, shape.query_width()}) * tokens_at_once(settings) * 17 / 16;
}

class Sum {
  public:
    Sum(const ModelShape& model, const MemorySettings& settings) : model_(model), settings_(settings) {
        shape_ = understood(model, why_);
        if (shape_ && settings.gpu_layers > 0) {
            layers_on_gpu_ = std::min(settings.gpu_layers, shape_->layers);
            output_on_gpu_ = settings.gpu_layers > shape_->layers;
        }
    }

    MemoryEstimate take() {
        add_weights();
        add_cache();
        add_buffers();
        add_engine();
        return std::move(estimate_);
    }

  private:
    void add(std::string_view name, Place place, std::optional<std::uint64_t> bytes, Text how) {
        estimate_.terms.push_back({name, place, bytes, std::move(how)});
    }
    void add_unknown(std::string_view name, Place place) { add(name, place, std::nullopt, why_); }
    bool uses_gpu() const { return settings_.gpu_layers > 0; }

    void add_weights() {
        const formats::GgufTensorSums& bytes = model_.bytes;
        if (model_.has_unknown_tensors) {
            return add(
                "weights", Place::host, std::nullopt,
                {"the file has tensors of types that are newer than this program", "文件包含比本程序更新的张量类型"});
        }
        if (uses_gpu() && !shape_) return add_unknown("weights", Place::gpu);
        std::uint64_t on_gpu = 0;
        if (uses_gpu()) {
            on_gpu = bytes.blocks / std::max<std::uint64_t>(1, shape_->layers) * layers_on_gpu_;
            if (output_on_gpu_) on_gpu += bytes.output > 0 ? bytes.output : bytes.token_embedding;
            add("weights", Place::gpu, on_gpu,
                Text::format("{} of {} layers{}", "共 {1} 层中的 {0} 层{2}", layers_on_gpu_, shape_->layers,
                             output_on_gpu_ ? " + output" : ""));
        }
        const std::uint64_t host = bytes.all - std::min(bytes.all, on_gpu);
        // Layers on the GPU are not rearranged for the CPU.
        const std::uint64_t copied =
            uses_gpu() && output_on_gpu_ ? 0 : repacked() * host / std::max<std::uint64_t>(1, bytes.all);
        estimate_.reclaimable = std::min(copied, host);
        add("weights", Place::host, host - estimate_.reclaimable,
            Text::format("tensors of the file, mapped: {:.1f} MiB", "文件中的张量（映射）：{:.1f} MiB",
                         mib(host - estimate_.reclaimable)));
        if (copied > 0) {
            add("repacked_weights", Place::host, copied,
                Text::format("matrices that are rearranged for this processor: {:.1f} MiB",
                             "为本机处理器重新排列的矩阵：{:.1f} MiB", mib(copied)));
        }
    }

    std::uint64_t repacked() const {
        std::uint64_t sum = 0;
        const auto is_repacked = [](std::uint32_t type) {
            return std::ranges::find(kRepackedTypes, type) != std::end(kRepackedTypes);
        };
        for (const auto& [type, bytes] : model_.bytes.matrices)
            if (is_repacked(type)) sum += bytes;
        // Without an output matrix of its own the embedding serves as one.
        if (model_.bytes.output == 0 && model_.bytes.token_embedding_type &&
            is_repacked(*model_.bytes.token_embedding_type))
            sum += model_.bytes.token_embedding;
        return sum;
    }

    void add_cache() {
        if (!shape_) return add_unknown("kv_cache", uses_gpu() ? Place::gpu : Place::host);
        const auto keys = cache_row(settings_.cache_type_k, shape_->kv_heads * shape_->key);
        const auto values = cache_row(settings_.cache_type_v, shape_->kv_heads * shape_->value);
        if (!keys || !values) return add_unknown("kv_cache", Place::host);
        const std::uint64_t layer = cells(settings_) * (*keys + *values);
        const auto add_layers = [&](Place place, std::uint64_t layers) {
            if (layers == 0) return;
            add("kv_cache", place, layer * layers,
                Text::format("{} layers × {} tokens × ({} + {}) bytes: {} slots, {} kv heads, {}/{}",
                             "{} 层 × {} 个 token ×（{} + {}）字节：{} 个并发槽，{} 个 KV 头，{}/{}", layers,
                             cells(settings_), *keys, *values, settings_.parallel, shape_->kv_heads,
                             settings_.cache_type_k, settings_.cache_type_v));
        };
        add_layers(Place::gpu, layers_on_gpu_);
        add_layers(Place::host, shape_->layers - layers_on_gpu_);
    }

    void add_buffers() {
        const Place place = uses_gpu() ? Place::gpu : Place::host;
        if (!shape_) return add_unknown("compute", place);
        const std::uint64_t tokens = tokens_at_once(settings_);
        add("compute", place, compute_bytes(*shape_, settings_),
            Text::format("intermediate results of {} tokens, {} wide, {} inside",
                         "{} 个 token 的中间结果，宽 {}，内层 {}", tokens, shape_->embedding,
                         shape_->feed_forward * shape_->experts_used));
        if (layers_on_gpu_ < shape_->layers || !uses_gpu())
            add("work", Place::host, work_bytes(*shape_, settings_),
                {"inputs converted for the processor", "为处理器转换的输入"});
        const std::uint64_t words = model_.description.vocabulary_size.value_or(0);
        add("output", Place::host, words * 4 * static_cast<std::uint64_t>(settings_.parallel),
            Text::format("{} words × {} slots × 4 bytes", "{} 个词 × {} 个并发槽 × 4 字节", words, settings_.parallel));
        if (settings_.prompt_cache_mib > 0) {
            add("prompt_cache", Place::host, static_cast<std::uint64_t>(settings_.prompt_cache_mib) * kMiB,
                {"earlier prompts, at most", "历史提示词缓存（上限）"});
        }
    }

    void add_engine() {
        const std::uint64_t words = model_.description.vocabulary_size.value_or(0);
        const std::uint64_t merges = model_.description.merge_count.value_or(0);
        add("tokenizer", Place::host, words * kBytesPerToken + merges * kBytesPerMerge,
            Text::format("{} words, {} merges", "{} 个词，{} 条合并规则", words, merges));
        add("engine", Place::host, kProgram, {"the program itself, measured", "引擎程序本身（实测）"});
        if (uses_gpu()) {
            add("gpu_runtime", Place::gpu, kGpuRuntime,
                {"the GPU's runtime: assumed, not measured", "GPU 运行时：假定值，未实测"});
        }
    }

    const ModelShape& model_;
    const MemorySettings& settings_;
    std::optional<Attention> shape_;
    Text why_;  // why there is no shape
    std::uint64_t layers_on_gpu_ = 0;
    bool output_on_gpu_ = false;
    MemoryEstimate estimate_;
};

}  // namespace

std::string MemorySettings::key() const {
    return fmt::format("ctx={} slots={} batch={}/{} kv={}/{} fa={} cache={} gpu={}", context_size, parallel, batch_size,
                       ubatch_size, cache_type_k, cache_type_v, flash_attention ? 1 : 0, prompt_cache_mib, gpu_layers);
}

MemorySettings memory_settings(const OptionValues& options, bool has_gpu) {
    const std::int64_t layers = options.integer("gpu_layers");
    return {.context_size = options.integer("context_size"),
            .parallel = options.integer("parallel"),
            .batch_size = options.integer("batch_size"),
            .ubatch_size = options.integer("ubatch_size"),
            .cache_type_k = options.text("cache_type_k"),
            .cache_type_v = options.text("cache_type_v"),
            .flash_attention = options.text("flash_attention") != "off",
            .prompt_cache_mib = options.integer("prompt_cache_mib"),
            .gpu_layers = !has_gpu     ? 0
                          : layers < 0 ? kAllLayers
                                       : static_cast<std::uint64_t>(layers)};
}

ModelShape shape_of(std::span<const formats::GgufHeader> files) {
    ModelShape model;
    if (!files.empty()) model.description = files.front();
    for (const formats::GgufHeader& file : files) {
        const formats::GgufTensorSums& bytes = file.tensor_bytes;
        model.bytes.all += bytes.all;
        model.bytes.token_embedding += bytes.token_embedding;
        model.bytes.output += bytes.output;
        model.bytes.blocks += bytes.blocks;
        for (const auto& [type, sum] : bytes.matrices)
            model.bytes.matrices[type] += sum;
        if (bytes.token_embedding_type) model.bytes.token_embedding_type = bytes.token_embedding_type;
        model.has_unknown_tensors = model.has_unknown_tensors || !file.unknown_tensor_types.empty();
    }
    return model;
}

MemoryEstimate estimate_memory(const ModelShape& model, const MemorySettings& settings) {
    return Sum(model, settings).take();
}

}  // namespace llmm::engines::llama_server
