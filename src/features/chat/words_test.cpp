#include "features/chat/words.hpp"

#include "features/chat/title.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

using Words = std::vector<std::string>;

// Whether a text with these words would be found.
bool finds(const std::string& query, const std::string& text) {
    const Words words = words_of(text);
    const WordQuery wanted = query_of(query);
    const bool all = std::ranges::all_of(
        wanted.words, [&](const std::string& word) { return std::ranges::find(words, word) != words.end(); });
    return !wanted.empty() && all &&
           std::ranges::any_of(words, [&](const std::string& word) { return word.starts_with(wanted.prefix); });
}

TEST(Words, spaces_and_signs_end_a_word_and_case_does_not_count) {
    EXPECT_EQ(words_of("The quick-brown FOX, the fox2!"), (Words{"brown", "fox", "fox2", "quick", "the"}));
    EXPECT_EQ(words_of("Ünïcode ÉTÉ Привет ΑΒΓ Ｗｉｄｅ"), (Words{"wide", "été", "ünïcode", "αβγ", "привет"}));
    EXPECT_TRUE(words_of(" …—“”。，！😀 \xff\xc3").empty());
}

TEST(Words, chinese_gives_characters_and_pairs) {
    EXPECT_EQ(words_of("机器学习"), (Words{"习", "器", "器学", "学", "学习", "机", "机器"}));
}

TEST(Words, any_part_of_a_chinese_sentence_finds_it) {
    const std::string text = "今天我们讨论大语言模型的部署，以及 GPU 显存的占用。";
    for (const char* query : {"模型", "大语言模型", "语言", "部署", "显存", "今", "GPU显存", "gpu 显存", "的占用"})
        EXPECT_TRUE(finds(query, text)) << query;
    for (const char* query : {"型模", "下载", "模型 下载", "明天"})
        EXPECT_FALSE(finds(query, text)) << query;
}

TEST(Words, the_last_word_may_be_unfinished) {
    EXPECT_TRUE(finds("capital of Fra", "The capital of France is Paris."));
    EXPECT_FALSE(finds("capi of France", "The capital of France is Paris."));
    EXPECT_FALSE(finds("Fra ", "The capital of France is Paris.")) << "a space ends it";
    EXPECT_TRUE(query_of(" ?! ").empty());
}

TEST(Words, a_word_that_any_input_gives_can_be_quoted) {
    std::string all;
    for (int c = 1; c < 256; ++c)
        all += static_cast<char>(c);
    for (const std::string& word : words_of(all + "a'b\"c\\d")) {
        EXPECT_EQ(word.find_first_of("'\"\\ \n&|!:*()"), std::string::npos) << word;
    }
}

TEST(Words, an_excerpt_shows_the_place) {
    const std::string text = std::string(500, 'a') + " 我们讨论大语言模型的部署 " + std::string(500, 'b');
    const std::string part = excerpt(text, "语言模型");
    EXPECT_NE(part.find("语言模型"), std::string::npos);
    EXPECT_TRUE(part.starts_with("…") && part.ends_with("…"));
    EXPECT_LT(part.size(), 300u);
    EXPECT_EQ(excerpt("short", "nothing"), "short");
}

TEST(Title, is_one_clean_line) {
    EXPECT_EQ(clean_title("\"Capital of France\"\nbecause"), "Capital of France");
    EXPECT_EQ(clean_title("<think>long</think>\n\n**法国的首都**"), "法国的首都");
    EXPECT_EQ(clean_title("# Title:  two   spaces."), "Title: two spaces");
    EXPECT_EQ(clean_title("<think>never ends"), "");
    EXPECT_EQ(clean_title(" \n"), "");
    EXPECT_LE(clean_title(std::string(500, 'x')).size(), 80u);
}

}  // namespace
}  // namespace llmm::chat
