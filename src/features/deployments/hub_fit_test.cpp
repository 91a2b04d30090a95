#include "features/deployments/hub_fit.hpp"

#include "integrations/engines/llama_server/memory_estimate.hpp"

#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

formats::GgufHeader header_of(std::uint64_t layers, std::uint64_t width, std::uint64_t words) {
    formats::GgufHeader header;
    header.architecture = "llama";
    header.block_count = layers;
    header.embedding_length = width;
    header.feed_forward_length = 4 * width;
    header.head_count = 8;
    header.head_count_kv = 8;
    header.vocabulary_size = words;
    return header;
}

TEST(ShapeOfSize, shares_the_bytes_among_the_parts) {
    const auto shape = shape_of_size(header_of(2, 512, 1000), 1'000'000);
    EXPECT_EQ(shape.bytes.all, 1'000'000u);
    EXPECT_EQ(shape.bytes.blocks + shape.bytes.token_embedding + shape.bytes.output, shape.bytes.all);
    // 2 × 512² × 16 against 2 × 512 × 1000.
    EXPECT_NEAR(static_cast<double>(shape.bytes.blocks), 1e6 * 8'388'608 / (8'388'608 + 1'024'000), 2);
    EXPECT_EQ(shape_of_size(header_of(2, 512, 1000), 0).bytes.blocks, 0u);
}

TEST(ShapeOfSize, bears_any_numbers) {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
        const auto shape = shape_of_size(header_of(number, number, number), 1'000'001);
        EXPECT_LE(shape.bytes.blocks, shape.bytes.all) << number;
    }
    EXPECT_EQ(shape_of_size({}, 7).bytes.blocks, 7u);
}

}  // namespace
}  // namespace llmm::deployments
