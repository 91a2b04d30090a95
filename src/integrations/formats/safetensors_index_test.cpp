#include "integrations/formats/safetensors_index.hpp"

#include "base/fs/file.hpp"
#include "integrations/formats/safetensors.hpp"
#include "support/paths.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llmm::formats {

TEST(SafetensorsIndex, names_the_parts_of_a_real_model) {
    const std::string text =
        read_text_file(LLMM_TEST_DATA "/tiny-model/hf-repo-sharded/model.safetensors.index.json", 1 << 20);
    const auto index = read_safetensors_index(text);
    ASSERT_TRUE(index) << index.error().message.en;
    ASSERT_EQ(index->files.size(), 2u);
    EXPECT_EQ(index->files[0].str(), "model-00001-of-00002.safetensors");
    EXPECT_EQ(index->files[1].str(), "model-00002-of-00002.safetensors");
    EXPECT_EQ(index->total_size, 1'054'080u * 2);
    EXPECT_GT(index->tensor_count, 10u);
}

TEST(SafetensorsIndex, refuses_names_that_lead_out_of_the_repository) {
    for (const char* name : {"../a.safetensors", "/a.safetensors", "a\\\\b.safetensors", "C:a.safetensors",
                             "a//b.safetensors", "a\\u0000.safetensors", "", "a.bin", "a.safetensors/.."}) {
        const auto index = read_safetensors_index(fmt::format(R"({{"weight_map":{{"t":"{}"}}}})", name));
        ASSERT_FALSE(index) << name;
        EXPECT_EQ(index.error().kind, ProblemKind::invalid);
        EXPECT_NE(index.error().message.en.find("can't be part"), std::string::npos) << index.error().message.en;
    }
}

TEST(SafetensorsIndex, refuses_what_is_not_an_index) {
    for (const char* text :
         {"", "[]", "1", "{}", R"({"weight_map":{}})", R"({"weight_map":[]})", R"({"weight_map":"a"})",
          R"({"weight_map":{"t":1}})", R"({"weight_map":{"t":{}}})", R"({"weight_map":{"t":["a.safetensors"]}})",
          R"({"weight_map":{"t":"a.safetensors","t":"b.safetensors"}})",
          R"({"weight_map":{"t":"a.safetensors"}} {})"}) {
        const auto index = read_safetensors_index(text);
        ASSERT_FALSE(index) << text;
        EXPECT_EQ(index.error().kind, ProblemKind::invalid) << text;
    }
}

TEST(SafetensorsIndex, its_total_size_is_optional) {
    EXPECT_EQ(read_safetensors_index(R"({"weight_map":{"t":"a.safetensors"}})")->total_size, std::nullopt);
    EXPECT_EQ(
        read_safetensors_index(R"({"metadata":{"total_size":1.5},"weight_map":{"t":"a.safetensors"}})")->total_size,
        std::nullopt);
    EXPECT_EQ(read_safetensors_index(R"({"metadata":{"total_size":7,"x":[1]},"weight_map":{"t":"a.safetensors"}})")
                  ->total_size,
              7u);
}

TEST(SafetensorsIndex, limits_are_kept) {
    EXPECT_EQ(read_safetensors_index(std::string(kSafetensorsMaxIndexBytes + 1, ' ')).error().kind,
              ProblemKind::unsupported);
    const auto with_tensors = [](std::uint64_t count) {
        std::string text = R"({"weight_map":{"t":"a.safetensors")";
        for (std::uint64_t i = 1; i < count; ++i)
            text += fmt::format(R"(,"{}":"a.safetensors")", i);
        return text + "}}";
    };
    EXPECT_EQ(read_safetensors_index(with_tensors(150'000))->tensor_count, 150'000u);
    EXPECT_EQ(read_safetensors_index(with_tensors(kSafetensorsMaxTensors + 1)).error().kind, ProblemKind::unsupported);
}

}  // namespace llmm::formats
