#include "features/models/model_ref.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::models {

TEST(ModelRef, reads_what_people_paste) {
    struct Case {
        const char* text;
        const char* canonical;
    };
    for (const Case& row : {
             Case{"hf.co/org/name:Q4_K_M", "huggingface:org/name:Q4_K_M"},
             Case{"huggingface:org/name@main:q8_0", "huggingface:org/name@main:q8_0"},
             Case{"HF.co/Org/Name", "huggingface:Org/Name"},
             Case{"https://huggingface.co/org/name", "huggingface:org/name"},
             Case{"https://huggingface.co/org/name/", "huggingface:org/name"},
             Case{"https://huggingface.co/org/name/tree/refs/pr/1", "huggingface:org/name@refs/pr/1"},
             Case{"https://huggingface.co/org/name?library=x#top", "huggingface:org/name"},
             Case{"huggingface:gpt2", "huggingface:gpt2"},
             Case{"org/name", "huggingface:org/name"},
             Case{"org/name:Q4_0", "huggingface:org/name:Q4_0"},
             Case{"demo:tiny-chat", "demo:tiny-chat"},
         }) {
        EXPECT_EQ(parse_model_ref(row.text).str(), row.canonical) << row.text;
    }
}

TEST(ModelRef, what_it_writes_it_reads_back) {
    for (const char* text :
         {"huggingface:org/name@0123456789abcdef0123456789abcdef01234567:UD-Q4_K_XL", "demo:tiny-chat@abc:Q8_0"}) {
        EXPECT_EQ(parse_model_ref(text).str(), text);
        EXPECT_EQ(parse_model_ref(parse_model_ref(text).str()), parse_model_ref(text));
    }
}

TEST(ModelRef, refuses_the_rest_and_names_the_field) {
    for (const std::string& bad : {std::string(""),
                                   std::string("name"),
                                   std::string("hf.co/"),
                                   std::string("hf.co/a/b/c"),
                                   std::string("hf.co/../etc"),
                                   std::string("hf.co/org/..:x"),
                                   std::string("huggingface:org/na me"),
                                   std::string("huggingface:org/name@../x"),
                                   std::string("huggingface:org/name:"),
                                   std::string("huggingface:org/name@"),
                                   std::string("huggingface:org/name:a/b"),
                                   std::string("huggingface:-org/name"),
                                   std::string("huggingface:org/name.git"),
                                   std::string("huggingface:org/a--b"),
                                   std::string("ollama:llama3.2:1b"),
                                   std::string("local:/etc/passwd"),
                                   std::string("https://evil.example/model.gguf"),
                                   std::string("file:///etc/passwd"),
                                   std::string("demo:tiny\0chat", 14),
                                   std::string(3000, 'a'),
                                   std::string("demo:\xe4\xb8\xad")}) {
        try {
            parse_model_ref(bad);
            ADD_FAILURE() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::validation_failed) << bad;
            ASSERT_EQ(error.details().size(), 1u);
            EXPECT_EQ(error.details()[0].name, "ref");
        }
    }
}

}  // namespace llmm::models
