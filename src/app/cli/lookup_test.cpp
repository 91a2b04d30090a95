#include "app/cli/lookup.hpp"

#include <string>

#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

constexpr std::string_view kCanonical = "huggingface:org/name@0123abc:Q4_K_M";

TEST(RefMatches, takes_the_usual_spellings) {
    for (const auto* asked : {"huggingface:org/name@0123abc:Q4_K_M", "hf.co/org/name:q4_k_m", "hf:org/name", "org/name",
                              "https://huggingface.co/org/name", "huggingface:org/name@0123", "org/name:Q4_K_M"}) {
        EXPECT_TRUE(ref_matches(asked, kCanonical)) << asked;
    }
    EXPECT_TRUE(ref_matches("demo:tiny-chat", "demo:tiny-chat@b90a:Q8_0"));
    const std::string digest(64, 'a');
    EXPECT_TRUE(ref_matches("ollama:tiny:1b", "ollama:library/tiny:1b@" + digest + ":Q8_0"));
    EXPECT_TRUE(ref_matches("https://h.example/m.gguf", "url:https://h.example/m.gguf@" + digest + ":Q8_0"));
    EXPECT_TRUE(ref_matches("local:/srv/m.gguf", "local:/srv/m.gguf@" + digest.substr(24) + ":Q8_0"));
    EXPECT_FALSE(ref_matches("ollama:tiny:2b", "ollama:library/tiny:1b@" + digest + ":Q8_0"));
}

TEST(RefMatches, refuses_another_model) {
    for (const auto* asked :
         {"hf.co/org/other", "hf.co/org/name:Q8_0", "org/name@fff", "modelscope:org/name", "name", ""}) {
        EXPECT_FALSE(ref_matches(asked, kCanonical)) << asked;
    }
    EXPECT_FALSE(ref_matches("demo:tiny", "demo:tiny-chat@b90a:Q8_0"));
}

}  // namespace
}  // namespace llmm::app::cli
