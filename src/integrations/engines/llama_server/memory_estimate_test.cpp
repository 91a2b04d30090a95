#include "integrations/engines/llama_server/memory_estimate.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace llmm::engines::llama_server {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// Llama 3.2 1B in Q8_0, by its header: 16 layers of 2048, 32 heads, 8 of them for keys and values.
ModelShape llama_1b() {
    formats::GgufHeader header;
    header.architecture = "llama";
    header.block_count = 16;
    header.embedding_length = 2048;
    header.feed_forward_length = 8192;
    header.head_count = 32;
    header.head_count_kv = 8;
    header.vocabulary_size = 128'256;
    header.tensor_bytes = {.all = 1'313 * kMiB,
                           .token_embedding = 266 * kMiB,
                           .output = 0,
                           .blocks = 1'040 * kMiB,
                           .matrices = {{8, 1'040 * kMiB}},
                           .token_embedding_type = 8};
    return shape_of(std::span(&header, 1));
}

std::optional<std::uint64_t> term(const MemoryEstimate& estimate, std::string_view name, Place place = Place::host) {
    for (const MemoryTerm& each : estimate.terms)
        if (each.name == name && each.place == place) return each.bytes;
    return std::nullopt;
}

TEST(MemoryEstimate, TheCacheIsLayersTimesTokensTimesHeads) {
    const auto estimate = estimate_memory(llama_1b(), {.context_size = 4096, .parallel = 2});
    // 16 layers × 8192 tokens × 8 heads × 64 values × 2 (keys and values) × 2 bytes
    EXPECT_EQ(term(estimate, "kv_cache"), 16ull * 8192 * 8 * 64 * 2 * 2);
    EXPECT_EQ(term(estimate, "weights"), 1'313 * kMiB);
    EXPECT_EQ(estimate.reclaimable, 0u);
    EXPECT_EQ(estimate.total(Place::gpu), 0u);
    EXPECT_EQ(estimate.resident(), estimate.total(Place::host));
    std::uint64_t sum = 0;
    for (const MemoryTerm& each : estimate.terms) {
        sum += each.bytes.value();
        EXPECT_FALSE(each.how.en.empty() || each.how.zh.empty()) << each.name;
    }
    EXPECT_EQ(estimate.total(Place::host), sum);
}

TEST(MemoryEstimate, ASmallerCacheTypeTakesLess) {
    const auto estimate =
        estimate_memory(llama_1b(), {.context_size = 1000, .cache_type_k = "q8_0", .cache_type_v = "q4_0"});
    // The context is rounded up to 1024; 34 and 18 bytes for each 32 values.
    EXPECT_EQ(term(estimate, "kv_cache"), 16ull * 1024 * (8 * 64 / 32) * (34 + 18));
}

TEST(MemoryEstimate, MatricesThatAreCopiedCountOnceAndShowTwice) {
    ModelShape model = llama_1b();
    model.bytes.matrices = {{2, 1'000 * kMiB}, {14, 40 * kMiB}};  // Q4_0 and Q6_K
    model.bytes.token_embedding_type = 14;
    const auto estimate = estimate_memory(model, {});
    EXPECT_EQ(term(estimate, "repacked_weights"), 1'000 * kMiB);
    EXPECT_EQ(term(estimate, "weights"), 313 * kMiB);
    EXPECT_EQ(estimate.resident(), *estimate.total(Place::host) + 1'000 * kMiB);
}

TEST(MemoryEstimate, LayersOnTheGpuMoveTheirTerms) {
    const auto all = estimate_memory(llama_1b(), {.gpu_layers = kAllLayers});
    EXPECT_EQ(term(all, "weights", Place::gpu), (1'040 + 266) * kMiB);
    EXPECT_EQ(term(all, "kv_cache", Place::gpu), 16ull * 4096 * 8 * 64 * 2 * 2);
    EXPECT_EQ(term(all, "kv_cache"), std::nullopt);
    const auto half = estimate_memory(llama_1b(), {.gpu_layers = 8});
    EXPECT_EQ(term(half, "weights", Place::gpu), 520 * kMiB);
    EXPECT_EQ(term(half, "weights"), 793 * kMiB);
    EXPECT_EQ(term(half, "kv_cache", Place::gpu), term(half, "kv_cache"));
    EXPECT_LT(*half.total(Place::gpu), *all.total(Place::gpu));
}

TEST(MemoryEstimate, WhatIsNotUnderstoodIsUnknownAndNotWrong) {
    ModelShape mamba = llama_1b(), windowed = llama_1b(), varied = llama_1b(), silent = llama_1b();
    mamba.description.architecture = "mamba";
    windowed.description.sliding_window = 4096;
    varied.description.varies_by_layer = true;
    silent.description.head_count = std::nullopt;
    for (const ModelShape& model : {mamba, windowed, varied, silent}) {
        const auto estimate = estimate_memory(model, {});
        EXPECT_FALSE(estimate.is_known());
        EXPECT_EQ(estimate.total(Place::host), std::nullopt);
        EXPECT_EQ(estimate.resident(), std::nullopt);
        EXPECT_GE(estimate.at_least(Place::host), 1'313 * kMiB);
        EXPECT_EQ(term(estimate, "kv_cache"), std::nullopt);
    }
    ModelShape newer = llama_1b();
    newer.has_unknown_tensors = true;
    EXPECT_FALSE(estimate_memory(newer, {}).is_known());
}

TEST(MemoryEstimate, PartsOfASplitModelAreOne) {
    formats::GgufHeader first, second;
    first.architecture = "llama";
    first.tensor_bytes = {
        .all = 10, .token_embedding = 4, .output = 0, .blocks = 6, .matrices = {{8, 6}}, .token_embedding_type = 8};
    second.tensor_bytes = {.all = 7,
                           .token_embedding = 0,
                           .output = 5,
                           .blocks = 2,
                           .matrices = {{8, 3}, {0, 4}},
                           .token_embedding_type = {}};
    const formats::GgufHeader files[] = {first, second};
    const ModelShape model = shape_of(files);
    EXPECT_EQ(model.bytes.all, 17u);
    EXPECT_EQ(model.bytes.output, 5u);
    EXPECT_EQ(model.bytes.matrices, (std::map<std::uint32_t, std::uint64_t>{{0, 4}, {8, 9}}));
    EXPECT_EQ(model.bytes.token_embedding_type, 8u);
    EXPECT_EQ(model.description.architecture, "llama");
}

TEST(MemoryEstimate, SettingsHaveOneName) {
    MemorySettings a, b;
    EXPECT_EQ(a.key(), b.key());
    b.cache_type_v = "q8_0";
    EXPECT_NE(a.key(), b.key());
}

}  // namespace
}  // namespace llmm::engines::llama_server
