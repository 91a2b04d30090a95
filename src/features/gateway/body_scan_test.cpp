#include "features/gateway/body_scan.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/gateway/gateway.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::gateway {
namespace {

ScannedBody scan(std::string_view body) {
    return scan_body(body, allowed_fields("llama-server"));
}

std::optional<ErrorCode> refusal(std::string_view body) {
    try {
        scan(body);
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

std::string rewritten(const std::string& body, std::string_view model, bool usage = false) {
    return rewrite_body(body, scan(body), model, usage);
}

}  // namespace

TEST(BodyScan, reads_what_the_gateway_needs_and_nothing_else) {
    const auto body = scan(R"( {"messages":[{"content":"\"model\":\"x\"}"}], "mod\u0065l" : "ti\u006ey",
        "stream":true,"stream_options":{"include_usage":true},"max_tokens":7} )");
    EXPECT_EQ(body.model, "tiny");
    EXPECT_TRUE(body.stream && body.include_usage && body.all_allowed);
    EXPECT_EQ(body.max_tokens, 7);
    EXPECT_EQ(scan("{}").model, "");
}

TEST(BodyScan, refuses_what_two_readers_could_read_differently) {
    EXPECT_EQ(refusal(R"({"model":"a","model":"b"})"), ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"({"model":"a","\u006dodel":"b"})"), ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"({"stream":true,"stream":false})"), ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"({"model":1})"), ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"([1])"), ErrorCode::validation_failed);
    for (const std::string_view text :
         {"", "{", "}", "nul", R"({"a":01})", R"({"a":1,})", R"({"a" 1})", R"({"a":"\x"})", R"({"a":"\u12"})", "{} {}",
          R"({"a":.5})", R"({"a":1.})", R"({"a":+1})", R"({"a":1e})", "{\"a\":\"\n\"}", R"({a:1})", R"({"a":tru})",
          "[1,]"}) {
        EXPECT_EQ(refusal(text), ErrorCode::malformed_json) << text;
    }
    EXPECT_EQ(refusal(R"({"a":)" + std::string(65, '[') + std::string(65, ']') + "}"), ErrorCode::malformed_json);
}

TEST(BodyScan, lets_no_engine_fetch_addresses) {
    const auto with_image = [](std::string_view url) {
        return refusal(R"({"messages":[{"content":[{"image_url":{"url":")" + std::string(url) + R"("}}]}]})");
    };
    EXPECT_EQ(with_image("data:image/png;base64,AA=="), std::nullopt);
    EXPECT_EQ(with_image("iVBORw0KGgo="), std::nullopt);
    for (const auto* url :
         {"http://127.0.0.1/", "https://example.org/a.png", "file:///etc/passwd", R"(\u0068ttp://a)", R"(h\/x:y)"})
        EXPECT_EQ(with_image(url), ErrorCode::validation_failed) << url;
    EXPECT_EQ(refusal(R"({"input":[{"image_url":"http://a"}]})"), ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"({"messages":[{"content":[{"source":{"type":"url","url":"http://a"}}]}]})"),
              ErrorCode::validation_failed);
    EXPECT_EQ(refusal(R"({"metadata":{"source":"http://a","url":"http://b"}})"), std::nullopt);
}

TEST(BodyScan, changes_only_what_has_to_change) {
    const std::string body = R"({ "model" : "a", "messages":[ 1 ],"temperature" :0.5 })";
    EXPECT_EQ(rewritten(body, "a"), body);
    EXPECT_EQ(rewritten(body, "b\""), R"({ "model" : "b\"", "messages":[ 1 ],"temperature" :0.5 })");
    EXPECT_EQ(rewritten(R"({"n_discard":1,"model":"a","id_slot":2,"messages":[ ]})", "a"),
              R"({"model":"a","messages":[ ]})");
    EXPECT_EQ(rewritten(R"({"id_slot":1})", "a"), "{}");
    EXPECT_EQ(rewritten(R"({"model":"a","stream_options":null})", "a", true),
              R"({"model":"a","stream_options":{"include_usage":true}})");
}

}  // namespace llmm::gateway
