#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/gateway/anthropic_json.hpp"
#include "features/gateway/ollama_json.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::gateway {
namespace {

json::value parsed(std::string_view text) {
    return parse_json(text);
}

Delta tool_piece(std::size_t place, std::string id, std::string name, std::string arguments) {
    Delta delta;
    delta.tool_calls.push_back({std::move(id), std::move(name), std::move(arguments)});
    delta.tool_places.push_back(place);
    return delta;
}

}  // namespace

TEST(OllamaTranslation, a_chat_becomes_openais) {
    const auto asked = ollama::read_chat(parsed(R"({"model":"m","think":false,"format":{"type":"object"},
        "options":{"temperature":0,"num_predict":5,"num_ctx":1,"stop":["x"]},"tools":[{"type":"function"}],
        "messages":[{"role":"user","content":"look","images":["iVBORw0"]},
                    {"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},
                    {"role":"tool","content":"4","tool_name":"f"}]})"));
    EXPECT_EQ(asked.model, "m");
    EXPECT_TRUE(asked.stream);
    EXPECT_EQ(parsed(with_model(asked.body, "n")),
              parsed(R"({"model":"n","stream":true,"stream_options":{"include_usage":true},
        "temperature":0,"max_tokens":5,"stop":["x"],"tools":[{"type":"function"}],"chat_template_kwargs":{"enable_thinking":false},
        "response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}},
        "messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0"}}]},
          {"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
          {"role":"tool","content":"4","tool_call_id":"call_1"}]})"));
}

TEST(OllamaTranslation, a_prompt_and_loading) {
    const auto asked = ollama::read_generate(parsed(R"({"model":"m","prompt":"p","system":"s","stream":false})"));
    EXPECT_EQ(parsed(asked.body),
              parsed(R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"p"}],"stream":false})"));
    EXPECT_EQ(ollama::read_generate(parsed(R"({"model":"m","prompt":"p","raw":true})")).target, "/v1/completions");
    EXPECT_TRUE(ollama::read_generate(parsed(R"({"model":"m"})")).nothing_to_say);
    EXPECT_TRUE(ollama::read_chat(parsed(R"({"model":"m","keep_alive":0})")).unload);
    for (const auto* bad :
         {"[]", "{}", R"({"model":5})", R"({"model":"m","messages":{}})", R"({"model":"m","messages":[1]})",
          R"({"model":"m","messages":[{"role":"user","images":[1]}]})",
          R"({"model":"m","messages":[{"role":"user"}],"format":"yaml"})"}) {
        EXPECT_THROW(ollama::read_chat(parsed(bad)), Error) << bad;
    }
}

TEST(OllamaTranslation, an_answer_ends_with_its_counts_and_calls) {
    ollama::AnswerWriter writer("m", true);
    Delta delta;
    delta.text = "hi";
    delta.reasoning = "hm";
    const auto line = parsed(writer.line(delta)).as_object();
    EXPECT_EQ(line.at("message"), parsed(R"({"role":"assistant","content":"hi","thinking":"hm"})"));
    EXPECT_EQ(writer.line(tool_piece(0, "c", "f", "{\"a\"")), "");
    writer.line(tool_piece(0, "", "", ":1}"));
    Delta end;
    end.finish_reason = "length";
    end.prompt_ns = 5;
    writer.line(end);
    const auto last = parsed(writer.last_line({.in = 3, .out = 4, .cached = 0}, false)).as_object();
    EXPECT_EQ(last.at("message").at("tool_calls"), parsed(R"([{"function":{"name":"f","arguments":{"a":1}}}])"));
    EXPECT_EQ(last.at("done"), true);
    EXPECT_EQ(last.at("done_reason"), "length");
    EXPECT_EQ(last.at("eval_count"), 4);
    EXPECT_EQ(last.at("prompt_eval_duration"), 5);
}

TEST(AnthropicTranslation, a_request_becomes_openais) {
    const auto asked =
        anthropic::read_messages(R"({"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s"}],
        "stop_sequences":["x"],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"},
        "messages":[{"role":"user","content":"q"},
          {"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"i","name":"f","input":{"a":1}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"4"}]},
            {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AA"}}]}]})");
    EXPECT_EQ(
        parsed(asked.body),
        parsed(
            R"({"stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"stop":["x"],"tool_choice":"required",
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
        "messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},
          {"role":"assistant","content":"t","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
          {"role":"tool","tool_call_id":"i","content":"4"},
          {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,AA"}}]}]})"));
    EXPECT_THROW(anthropic::read_messages(R"({"model":"m"})"), Error);
    EXPECT_THROW(anthropic::read_messages(R"({"model":"m","messages":[{"role":"user","content":[{"type":"video"}]}]})"),
                 Error);
    EXPECT_THROW(
        anthropic::read_messages(
            R"({"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://a"}}]}]})"),
        Error);
}

TEST(AnthropicTranslation, a_stream_has_the_events_in_their_order) {
    anthropic::EventWriter writer("m");
    Delta text;
    text.id = "x";
    text.text = "hi";
    std::string all = writer.events(text) + writer.events(tool_piece(0, "c", "f", "{}"));
    Delta end;
    end.finish_reason = "tool_calls";
    all += writer.events(end) + writer.end({.in = 9, .out = 2, .cached = 4});
    std::string types;
    for (std::size_t at = 0; (at = all.find("event: ", at)) != std::string::npos; at += 7)
        types += all.substr(at + 7, all.find('\n', at) - at - 7) + " ";
    EXPECT_EQ(types,
              "message_start content_block_start content_block_delta content_block_stop content_block_start "
              "content_block_delta content_block_stop message_delta message_stop ");
    EXPECT_NE(all.find(R"("stop_reason":"tool_use")"), std::string::npos);
    EXPECT_NE(all.find(R"("input_tokens":5,"cache_read_input_tokens":4,"output_tokens":2)"), std::string::npos);
}

TEST(AnthropicTranslation, a_whole_answer) {
    const auto answer =
        parsed(anthropic::answer("m", R"({"id":"x","choices":[{"finish_reason":"length","message":{"content":"hi",
        "tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]})",
                                 {.in = 1, .out = 2, .cached = {}}));
    EXPECT_EQ(answer.at("content"),
              parsed(R"([{"type":"text","text":"hi"},{"type":"tool_use","id":"c","name":"f","input":{"a":1}}])"));
    EXPECT_EQ(answer.at("stop_reason"), "max_tokens");
    EXPECT_THROW(anthropic::answer("m", "{", {}), Error);
    EXPECT_THROW(anthropic::answer("m", R"({"error":{"message":"no"}})", {}), Error);
}

}  // namespace llmm::gateway
