#include "features/chat/completion_stream.hpp"

#include "features/chat/completion_json.hpp"

#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

// The shape of llama-server's answers, build 11669.
constexpr std::string_view kAnswer =
    R"(data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"model":"tiny"})"
    "\n\n"
    R"(data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"The"}}],"model":"tiny"})"
    "\n\n: ping\n\n"
    R"(data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" café"}}],"model":"tiny"})"
    "\n\n"
    R"(data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"model":"tiny"})"
    "\n\n"
    R"(data: {"choices":[],"usage":{"completion_tokens":11,"prompt_tokens":17,"total_tokens":28,)"
    R"("prompt_tokens_details":{"cached_tokens":16}},"timings":{"predicted_n":11,"predicted_per_second":2918.5}})"
    "\n\ndata: [DONE]\n\n";

ErrorCode code_of(const auto& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::internal;
}

TEST(CompletionStream, assembles_the_answer_wherever_it_is_split) {
    for (std::size_t i = 0; i <= kAnswer.size(); ++i) {
        CompletionStream stream;
        std::string text;
        stream.feed(kAnswer.substr(0, i), text);
        stream.feed(kAnswer.substr(i), text);
        stream.close();
        ASSERT_EQ(text, "The café") << i;
        ASSERT_TRUE(stream.done());
        ASSERT_EQ(stream.finish_reason(), "stop");
        ASSERT_EQ(stream.usage(), (Usage{17, 11, 28}));
        ASSERT_EQ(stream.tokens_per_second(), 2918.5);
    }
}

TEST(CompletionStream, has_begun_with_the_first_event_though_there_is_no_text) {
    CompletionStream stream;
    std::string text;
    stream.feed(": ping\n\n", text);
    EXPECT_FALSE(stream.begun());
    stream.feed(kAnswer.substr(0, kAnswer.find("data", 5)), text);
    EXPECT_TRUE(stream.begun());
    EXPECT_EQ(text, "");
}

TEST(CompletionStream, a_cut_answer_is_a_failure_and_its_text_is_kept) {
    CompletionStream stream;
    std::string text;
    stream.feed(kAnswer.substr(0, kAnswer.find(R"("stop")")), text);
    EXPECT_EQ(code_of([&] { stream.close(); }), ErrorCode::engine_failed);
    EXPECT_EQ(text, "The café");
}

TEST(CompletionStream, an_answer_that_has_finished_may_lack_its_end) {
    CompletionStream stream;
    std::string text;
    stream.feed(kAnswer.substr(0, kAnswer.find("data: [DONE]")), text);
    EXPECT_NO_THROW(stream.close());
}

TEST(CompletionStream, reports_the_error_of_the_engine_after_the_text_before_it) {
    CompletionStream stream;
    std::string text;
    const std::string bytes =
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
        "data: {\"error\":{\"code\":500,\"message\":\"out of memory\",\"type\":\"server_error\"}}\n\n";
    EXPECT_EQ(code_of([&] { stream.feed(bytes, text); }), ErrorCode::engine_failed);
    EXPECT_EQ(text, "Hi");
}

TEST(CompletionStream, refuses_what_is_no_chunk) {
    for (const std::string bad : {"{", "[]", "7", "{}", R"({"choices":7})", R"({"choices":[7]})"}) {
        CompletionStream stream;
        std::string text;
        EXPECT_EQ(code_of([&] { stream.feed("data: " + bad + "\n\n", text); }), ErrorCode::engine_failed) << bad;
    }
}

TEST(CompletionJson, leaves_out_nul_which_no_database_takes) {
    EXPECT_EQ(parse_completion_chunk(R"({"choices":[{"delta":{"content":"a\u0000b"}}]})").text, "ab");
}

TEST(CompletionJson, tells_a_full_context_from_other_refusals) {
    const Error full = completion_error(
        400, R"({"error":{"code":400,"message":"request (12010 tokens) exceeds the available context size",)"
             R"("type":"exceed_context_size_error","n_prompt_tokens":12010,"n_ctx":1024}})");
    EXPECT_EQ(full.code(), ErrorCode::context_exceeded);
    ASSERT_EQ(full.details().size(), 2u);
    EXPECT_EQ(std::get<std::int64_t>(full.details()[0].value), 12010);
    EXPECT_EQ(std::get<std::int64_t>(full.details()[1].value), 1024);
    EXPECT_EQ(
        completion_error(503, R"({"error":{"message":"Loading model","type":"unavailable_error","code":503}})").code(),
        ErrorCode::engine_unavailable);
    const Error refused = completion_error(400, R"({"error":{"message":"roles must alternate"}})");
    EXPECT_EQ(refused.code(), ErrorCode::engine_failed);
    EXPECT_NE(refused.message().en.find("roles must alternate"), std::string::npos);
    EXPECT_EQ(completion_error(502, "<html>").code(), ErrorCode::engine_failed);
}

TEST(CompletionJson, cuts_the_words_of_an_engine_between_characters) {
    std::string long_words;
    for (int i = 0; i < 500; ++i)
        long_words += "é";
    const Error error = completion_error(400, R"({"error":{"message":")" + long_words + R"("}})");
    EXPECT_LT(error.message().en.size(), 350u);
    EXPECT_TRUE(error.message().en.ends_with("é…")) << error.message().en;
}

TEST(CompletionJson, sends_only_what_is_set) {
    EXPECT_EQ(
        completion_request("tiny", {}, {{Role::user, "Hi"}}),
        R"({"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}})");
    ChatConfig config{.system_prompt = "never here", .temperature = 0.5, .top_k = 40, .seed = 7};
    config.stop = {"\n\n"};
    const std::string body = completion_request("tiny", config, {});
    EXPECT_NE(body.find(R"("temperature":5E-1,"top_k":40,"stop":["\n\n"],"seed":7})"), std::string::npos) << body;
    EXPECT_EQ(body.find("never here"), std::string::npos);
}

}  // namespace
}  // namespace llmm::chat
