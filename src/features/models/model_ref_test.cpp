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
             Case{"ollama:llama3.2:1b", "ollama:library/llama3.2:1b"},
             Case{"ollama:llama3.2", "ollama:library/llama3.2:latest"},
             Case{"ollama:someone/model:q8", "ollama:someone/model:q8"},
             Case{"ollama:hf.co/org/name-GGUF:Q4_K_M", "ollama:hf.co/org/name-GGUF:Q4_K_M"},
             Case{"ollama:registry.example:5000/library/m:t", "ollama:registry.example:5000/library/m:t"},
             Case{"https://ollama.com/library/llama3.2:1b", "ollama:library/llama3.2:1b"},
             Case{"modelscope:org/name", "modelscope:org/name"},
             Case{"modelscope:org/name@master:Q4_K_M", "modelscope:org/name@master:Q4_K_M"},
             Case{"https://modelscope.cn/models/org/name/files", "modelscope:org/name"},
             Case{"https://www.modelscope.ai/models/org/name?x=1", "modelscope:org/name"},
             Case{"https://host.example/a/m.gguf", "url:https://host.example/a/m.gguf"},
             Case{"HTTPS://Host.Example:443/a@b/../m.gguf", "url:https://host.example/m.gguf"},
             Case{"https://host.example/a@b/m.gguf", "url:https://host.example/a%40b/m.gguf"},
             Case{"https://host.example/m.gguf#sha256=ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                  "url:https://host.example/m.gguf@abcdef6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
             Case{"local:/models/a.gguf", "local:/models/a.gguf"},
             Case{"local:/models/folder/:Q8_0", "local:/models/folder:Q8_0"},
         }) {
        EXPECT_EQ(parse_model_ref(row.text).str(), row.canonical) << row.text;
    }
}

TEST(ModelRef, what_it_writes_it_reads_back) {
    for (const char* text :
         {"huggingface:org/name@0123456789abcdef0123456789abcdef01234567:UD-Q4_K_XL", "demo:tiny-chat@abc:Q8_0",
          "ollama:library/llama3.2:1b@0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:Q4_K_M",
          "url:https://host.example/m.gguf?x=1@0123456789abcdef0123456789abcdef01234567:Q8_0",
          "local:/models/.cache/a@b.gguf@0123456789abcdef0123456789abcdef01234567:F16"}) {
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
                                   std::string("ollama:../etc:x"),
                                   std::string("ollama:a/b/c/d"),
                                   std::string("ollama:model:"),
                                   std::string("ollama:a..b"),
                                   std::string("ollama:model@sha256:abc"),
                                   std::string("ollama:nul:x"),
                                   std::string("modelscope:name"),
                                   std::string("modelscope:a/../b"),
                                   std::string("local:relative"),
                                   std::string("local:/etc/../passwd"),
                                   std::string("local:/"),
                                   std::string("local:/a\\b"),
                                   std::string("https://user:secret@host.example/model.gguf"),
                                   std::string("https://0x7f.1/model.gguf"),
                                   std::string("https://host.example/m.gguf#sha256=abc"),
                                   std::string("https://host.example/m.gguf#top"),
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
