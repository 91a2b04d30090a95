#include "integrations/formats/quantization.hpp"

#include <gtest/gtest.h>

namespace llmm::formats {
namespace {

using Names = std::vector<std::string>;

RepositoryContent content_of(const Names& names) {
    std::vector<ListedFile> files;
    for (const std::string& name : names)
        files.push_back({name, 10});
    return find_variants(files);
}

Names variant_names(const RepositoryContent& content) {
    Names names;
    for (const Variant& variant : content.variants)
        names.push_back(variant.name);
    return names;
}

std::string chosen(const Names& names, std::string_view wanted) {
    const RepositoryContent content = content_of(names);
    const Variant* variant = choose_variant(content.variants, wanted);
    return variant ? variant->files.front() : "";
}

}  // namespace

TEST(QuantizationTag, is_found_in_names_as_they_are_published) {
    const std::pair<const char*, const char*> known[] = {
        {"Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M"},
        {"tinyllama-1.1b-chat-v1.0.Q5_0.gguf", "Q5_0"},
        {"tiny-chat.q8_0-00001-of-00002.gguf", "Q8_0"},
        {"Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"},
        {"UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-00001-of-00004.gguf", "UD-IQ1_S"},
        {"BF16/model-00001-of-00002.gguf", "BF16"},
        {"model-f16.gguf", "F16"},
        {"qwen2-fp16.gguf", "FP16"},
        {"gpt-oss-20b-MXFP4.gguf", "MXFP4"},
        {"gpt-oss-20b-mxfp4_moe.gguf", "MXFP4_MOE"},
        {"x-IQ2_XXS.gguf", "IQ2_XXS"},
        {"x-IQ4_NL.gguf", "IQ4_NL"},
        {"x-TQ1_0.gguf", "TQ1_0"},
        {"x.Q4_0_4_8.gguf", "Q4_0_4_8"},
        {"ggml_model_q4_k_s.gguf", "Q4_K_S"},
        {"model-f16-Q6_K.gguf", "Q6_K"},
        {"Phi-3-mini-4k-instruct-q4.gguf", "Q4"},
        {"x-Q4_K_M_v2.gguf", "Q4_K_M"},
    };
    for (const auto& [path, tag] : known)
        EXPECT_EQ(quantization_tag(path), tag) << path;
    for (const char* path :
         {"model.gguf", "Qwen3-8B.gguf", "q.gguf", "seq2seq.gguf", "IQ.gguf", "Q4x.gguf", "xQ4_0.gguf", ""}) {
        EXPECT_EQ(quantization_tag(path), std::nullopt) << path;
    }
}

TEST(Variants, each_quantization_is_one) {
    const RepositoryContent content =
        content_of({".gitattributes", "README.md", "M-Q4_K_M.gguf", "M-Q8_0.gguf", "UD-Q4_K_M/M-UD-Q4_K_M.GGUF"});
    EXPECT_EQ(variant_names(content), (Names{"Q4_K_M", "Q8_0", "UD-Q4_K_M"}));
    EXPECT_EQ(content.variants[0].quantization, "Q4_K_M");
    EXPECT_EQ(content.variants[0].files, Names{"M-Q4_K_M.gguf"});
    EXPECT_EQ(content.variants[0].size, 10u);
}

TEST(Variants, parts_are_joined_in_their_order) {
    const RepositoryContent content =
        content_of({"M-Q8_0-00002-of-00003.gguf", "M-Q8_0-00001-of-00003.gguf", "M-Q8_0-00003-of-00003.gguf"});
    ASSERT_EQ(content.variants.size(), 1u);
    EXPECT_EQ(content.variants[0].name, "Q8_0");
    EXPECT_EQ(content.variants[0].files.front(), "M-Q8_0-00001-of-00003.gguf");
    EXPECT_EQ(content.variants[0].files.back(), "M-Q8_0-00003-of-00003.gguf");
    EXPECT_EQ(content.variants[0].size, 30u);
}

TEST(Variants, a_set_that_lacks_a_part_is_none) {
    for (const Names& names :
         {Names{"M-Q8_0-00001-of-00002.gguf"}, Names{"M-Q8_0-00002-of-00002.gguf"},
          Names{"M-Q8_0-00000-of-00002.gguf", "M-Q8_0-00001-of-00002.gguf"},
          Names{"M-Q8_0-00001-of-00002.gguf", "M-Q8_0-00002-of-00003.gguf"}, Names{"M-Q8_0-00001-of-00000.gguf"}}) {
        const RepositoryContent content = content_of(names);
        EXPECT_TRUE(content.variants.empty()) << names.front();
        EXPECT_EQ(content.incomplete, names);
    }
    EXPECT_TRUE(content_of({"M-00001-of-00001.gguf", "M-00001-of-00001.GGUF"}).variants.empty())
        << "which one is meant?";
}

TEST(Variants, projectors_and_importance_matrices_are_listed_apart) {
    const RepositoryContent content =
        content_of({"M-Q4_K_M.gguf", "mmproj-M-f16.gguf", "M.imatrix.gguf", "M-MMPROJ.gguf", "imatrix.dat"});
    EXPECT_EQ(variant_names(content), Names{"Q4_K_M"});
    EXPECT_EQ(content.projectors, (Names{"mmproj-M-f16.gguf", "M-MMPROJ.gguf"}));
    EXPECT_EQ(content.importance_matrices, Names{"M.imatrix.gguf"});
}

TEST(Variants, models_with_the_same_tag_keep_their_whole_names) {
    EXPECT_EQ(variant_names(content_of({"a-Q4_0.gguf", "b-Q4_0.gguf", "a-Q8_0.gguf", "c.gguf"})),
              (Names{"a-Q4_0", "b-Q4_0", "Q8_0", "c"}));
}

TEST(Variants, safetensors_come_with_what_an_engine_reads_beside_them) {
    const RepositoryContent content =
        content_of({"README.md", "config.json", "tokenizer.json", "tokenizer.model", "merges.txt", "notes.txt",
                    "modeling.py", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json", "consolidated.safetensors", "consolidated.safetensors.index.json",
                    "pytorch_model.bin", "pytorch_model.bin.index.json", "chat_template.jinja",
                    "additional_chat_templates/tools.jinja", "original/params.json", "onnx/model.safetensors"});
    ASSERT_EQ(variant_names(content), Names{"safetensors"});
    EXPECT_EQ(content.variants[0].format, ModelFormat::safetensors);
    EXPECT_EQ(content.variants[0].files,
              (Names{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json",
                     "tokenizer.json", "tokenizer.model", "merges.txt", "model.safetensors.index.json",
                     "chat_template.jinja", "additional_chat_templates/tools.jinja"}));
    EXPECT_EQ(content.variants[0].size, 90u);
}

TEST(Variants, safetensors_that_lack_a_part_are_none) {
    const RepositoryContent content = content_of({"config.json", "model-00001-of-00002.safetensors"});
    EXPECT_TRUE(content.variants.empty());
    EXPECT_EQ(content.incomplete, Names{"model-00001-of-00002.safetensors"});
    EXPECT_EQ(content_of({"consolidated.safetensors", "params.json"}).variants.size(), 1u);
    EXPECT_TRUE(content_of({"config.json"}).variants.empty());
}

TEST(Variants, a_size_that_is_not_known_stays_unknown) {
    const auto size = [](std::optional<std::uint64_t> first, std::optional<std::uint64_t> second) {
        const std::vector<ListedFile> files{{"M-00001-of-00002.gguf", first}, {"M-00002-of-00002.gguf", second}};
        return find_variants(files).variants.at(0).size;
    };
    EXPECT_EQ(size(1, 2), 3u);
    EXPECT_EQ(size(std::nullopt, 2), std::nullopt);
    EXPECT_EQ(size(1, std::nullopt), std::nullopt);
    EXPECT_EQ(size(~std::uint64_t{0}, 2), std::nullopt);
}

TEST(ChooseVariant, without_a_tag_takes_the_usual_ones_first) {
    EXPECT_EQ(chosen({"M-F16.gguf", "M-Q8_0.gguf", "M-Q4_K_M.gguf"}, ""), "M-Q4_K_M.gguf");
    EXPECT_EQ(chosen({"M-F16.gguf", "M-Q8_0.gguf"}, ""), "M-Q8_0.gguf");
    EXPECT_EQ(chosen({"M-F16.gguf", "M-Q2_K.gguf"}, ""), "M-F16.gguf");
    EXPECT_EQ(chosen({"M-UD-Q4_K_M.gguf", "M-Q8_0.gguf"}, ""), "M-UD-Q4_K_M.gguf") << "the tag is in its name";
    EXPECT_EQ(chosen({}, ""), "");
}

TEST(ChooseVariant, a_tag_is_matched_whatever_its_case) {
    const Names names{"M-UD-Q4_K_M.gguf", "M-Q4_K_M.gguf", "M-BF16.gguf", "Q5_K_S/N-Q5_K_S-00001-of-00001.gguf"};
    EXPECT_EQ(chosen(names, "q4_k_m"), "M-Q4_K_M.gguf") << "exact before contained";
    EXPECT_EQ(chosen(names, "ud-Q4_k_m"), "M-UD-Q4_K_M.gguf");
    EXPECT_EQ(chosen(names, "Q5_K_S"), "Q5_K_S/N-Q5_K_S-00001-of-00001.gguf");
    EXPECT_EQ(chosen(names, "n"), "Q5_K_S/N-Q5_K_S-00001-of-00001.gguf") << "followed by -";
    EXPECT_EQ(chosen(names, "F16"), "") << "not the end of another word";
    EXPECT_EQ(chosen(names, "Q4_K"), "") << "not the beginning of another tag";
    EXPECT_EQ(chosen(names, "Q6_K"), "");
    EXPECT_EQ(chosen({"config.json", "model.safetensors"}, "SafeTensors"), "model.safetensors");
}

}  // namespace llmm::formats
