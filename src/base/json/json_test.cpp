#include "base/json/json.hpp"

#include "base/error/error.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm {
namespace {

ErrorCode code_of(std::string_view text) {
    try {
        parse_json(text);
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

Details problems_of(std::string_view text) {
    const json::value body = parse_json(text);
    try {
        ObjectReader in(body);
        in.required_string("name", {.min_length = 1, .max_length = 3});
        in.integer("count", {.min = 1, .max = 200});
        in.choice("sort", {"likes", "downloads"});
        in.strings("files", {.max_items = 2});
        in.finish();
    } catch (const Error& error) {
        return error.details();
    }
    return {};
}

}  // namespace

TEST(Json, keeps_values_as_they_are) {
    const json::value value = parse_json(R"( {"a":[1,2.5,"x\u4e2d",null,true],"b":{"c":{}}} )");
    EXPECT_EQ(json::serialize(value), "{\"a\":[1,2.5E0,\"x中\",null,true],\"b\":{\"c\":{}}}");
}

TEST(Json, refuses_text_that_is_not_one_json_value) {
    for (const char* bad : {"", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "{'a':1}", "\"\x80\"", "01", "[1] // note"}) {
        EXPECT_EQ(code_of(bad), ErrorCode::malformed_json) << bad;
    }
}

TEST(Json, refuses_numbers_that_no_double_holds) {
    for (const char* bad : {"1e400", "[-1e309]"})
        EXPECT_EQ(code_of(bad), ErrorCode::malformed_json) << bad;
    EXPECT_NO_THROW(parse_json("1.7e308"));
}

TEST(Json, refuses_a_key_that_appears_twice_at_any_depth) {
    EXPECT_EQ(code_of(R"({"model":"a","model":"b"})"), ErrorCode::validation_failed);
    EXPECT_EQ(code_of(R"({"x":[{"a":1,"a":1}]})"), ErrorCode::validation_failed);
    EXPECT_EQ(code_of(R"({"m":1,"\u006d":2})"), ErrorCode::validation_failed);
    EXPECT_NO_THROW(parse_json(R"([{"a":1},{"a":1}])"));
}

TEST(Json, refuses_nesting_beyond_the_limit) {
    EXPECT_NO_THROW(parse_json(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
    EXPECT_EQ(code_of(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')),
              ErrorCode::malformed_json);
    EXPECT_EQ(code_of(std::string(100'000, '[')), ErrorCode::malformed_json);
}

TEST(ObjectReader, names_every_bad_field_at_once) {
    const Details problems = problems_of(R"({"name":"long","count":0,"sort":"size","files":[1],"extra":true})");
    std::vector<std::string> names;
    for (const Detail& problem : problems)
        names.push_back(problem.name);
    EXPECT_EQ(names, (std::vector<std::string>{"name", "count", "sort", "files.0", "extra"}));
}

TEST(ObjectReader, counts_characters_and_takes_null_as_absent) {
    EXPECT_TRUE(problems_of(R"({"name":"中文字","count":null})").empty());
    EXPECT_EQ(problems_of(R"({"count":1})").size(), 1u);
    EXPECT_EQ(problems_of(R"([])").size(), 2u);  // not an object, and the name is missing
    EXPECT_EQ(problems_of(R"({"name":"a","count":18446744073709551615})").size(), 1u);
    EXPECT_EQ(problems_of(R"({"name":"a","count":1.0})").size(), 1u);
}

}  // namespace llmm
