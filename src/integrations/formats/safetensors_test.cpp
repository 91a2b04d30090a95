#include "integrations/formats/safetensors.hpp"

#include "support/paths.hpp"

#include <cstring>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace llmm::formats {
namespace {

std::expected<SafetensorsHeader, FormatProblem> read(std::string_view text,
                                                     std::optional<std::uint64_t> file_size = {}) {
    return read_safetensors(MemorySource(std::as_bytes(std::span(text)), file_size));
}

std::string with_length(std::string_view json, std::uint64_t length) {
    std::string text(8, '\0');
    std::memcpy(text.data(), &length, 8);
    return text + std::string(json);
}
std::string header(std::string_view json) {
    return with_length(json, json.size());
}

std::string file(const std::string& path) {
    std::ifstream in(std::string(LLMM_TEST_DATA "/tiny-model/") + path, std::ios::binary);
    EXPECT_TRUE(in) << path;
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Broken {
    const char* json;
    ProblemKind kind;
    const char* message;  // a part of it
};

using enum ProblemKind;
constexpr Broken kBroken[] = {
    {R"([])", invalid, "begin with {"},
    {R"( {})", invalid, "begin with {"},
    {R"({"a":[]})", invalid, "object of objects"},
    {R"({"a":1})", invalid, "object of objects"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})", invalid, "not valid JSON"},
    {R"({} x)", invalid, "not valid JSON"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}})", invalid, "key \"a\" appears twice"},
    {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", invalid, "\"dtype\" appears twice"},
    {R"({"__metadata__":{"a":"b","a":"c"}})", invalid, "appears twice"},
    {R"({"__metadata__":{"a":1}})", invalid, "other than strings"},
    {R"({"__metadata__":{"a":{}}})", invalid, "other than strings"},
    {R"({"__metadata__":"x"})", invalid, "object of objects"},
    {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", invalid, "lacks its type"},
    {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", invalid, "lacks its type"},
    {R"({"a":{"dtype":"F32","shape":[1]}})", invalid, "lacks its type"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}})", invalid, "lacks its type"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", invalid, "wrong data_offsets"},
    {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", invalid, "wrong shape"},
    {R"({"a":{"dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,0]}})", invalid, "size that its shape"},
    {R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", invalid, "wrong dtype"},
    {R"({"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}})", invalid, "wrong dtype"},
    {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", unsupported, "unknown type \"F33\""},
    {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", invalid, "size that its shape"},
    {R"({"a":{"dtype":"F6_E2M3","shape":[2],"data_offsets":[0,2]}})", invalid, "size that its shape"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", invalid, "size that its shape"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", invalid, "size that its shape"},
    {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", invalid, "a hole"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})",
     invalid, "a hole"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
     invalid, "overlap"},
    {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
     invalid, "overlap"},
    {R"({"a":{"dtype":"U8","shape":[18446744073709551608],"data_offsets":[0,18446744073709551608]}})", invalid,
     "size that its shape"},
    {R"({"a":{"x":[[[[[[[]]]]]]]}})", invalid, "not valid JSON"},
};

}  // namespace

TEST(Safetensors, describes_a_real_model) {
    const std::string text = file("hf-repo/model.safetensors");
    const auto result = read(text, text.size());
    ASSERT_TRUE(result) << result.error().message.en;
    EXPECT_EQ(result->parameter_count, 1'054'080u);
    EXPECT_EQ(result->dtypes, (std::vector<DtypeShare>{{"F16", result->tensor_count, 1'054'080}}));
    EXPECT_EQ(result->required_size, text.size());
    EXPECT_EQ(read(text, text.size() + 1).error().kind, invalid);
    const FormatProblem cut = read(text, text.size() - 1).error();
    EXPECT_EQ(cut.kind, truncated);
    EXPECT_EQ(cut.needed_bytes, text.size());
}

TEST(Safetensors, a_beginning_asks_for_the_whole_header) {
    const std::string text = file("hf-repo/model.safetensors");
    const std::uint64_t data = read(text)->data_offset;
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{7}}) {
        const FormatProblem problem = read(text.substr(0, size), text.size()).error();
        EXPECT_EQ(problem.kind, incomplete);
        EXPECT_EQ(problem.needed_bytes, 8u);
    }
    for (const std::uint64_t size : {std::uint64_t{8}, data - 1}) {
        const FormatProblem problem = read(text.substr(0, size), text.size()).error();
        EXPECT_EQ(problem.kind, incomplete);
        EXPECT_EQ(problem.needed_bytes, data);
    }
    const FormatProblem large = read(with_length("{}", 1'000'000)).error();
    EXPECT_EQ(large.kind, incomplete);
    EXPECT_EQ(large.needed_bytes, 1'000'008u) << "at once, not piece by piece";
    EXPECT_TRUE(read(text.substr(0, data), text.size()));
    EXPECT_EQ(read(text.substr(0, data - 1), data - 1).error().kind, truncated);
}

TEST(Safetensors, broken_headers_are_refused_with_their_reason) {
    for (const Broken& broken : kBroken) {
        const auto result = read(header(broken.json));
        ASSERT_FALSE(result) << broken.json;
        EXPECT_EQ(result.error().kind, broken.kind) << broken.json;
        EXPECT_NE(result.error().message.en.find(broken.message), std::string::npos)
            << broken.json << ": " << result.error().message.en;
    }
}

TEST(Safetensors, limits_are_kept) {
    EXPECT_EQ(read(with_length("{", kSafetensorsMaxHeaderBytes + 1)).error().kind, unsupported);
    EXPECT_EQ(read(with_length("{", ~std::uint64_t{0})).error().kind, unsupported);
    EXPECT_EQ(read(with_length("{", kSafetensorsMaxHeaderBytes)).error().kind, incomplete);
    EXPECT_EQ(read(with_length("{", 1)).error().message.en, "the header is empty");
    const auto named = [](std::size_t length) {
        return header("{\"" + std::string(length, 'n') + R"(":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})");
    };
    EXPECT_TRUE(read(named(kSafetensorsMaxNameBytes)));
    EXPECT_EQ(read(named(kSafetensorsMaxNameBytes + 1)).error().kind, unsupported);
    const auto nested = [](std::size_t depth) {  // the object of objects is two levels
        return header(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":)" + std::string(depth - 2, '[') +
                      std::string(depth - 2, ']') + "}}");
    };
    EXPECT_TRUE(read(nested(kSafetensorsMaxDepth)));
    EXPECT_FALSE(read(nested(kSafetensorsMaxDepth + 1)));
}

TEST(Safetensors, tensors_are_counted_up_to_the_limit) {
    const auto with_tensors = [](std::uint64_t count) {
        std::string json = "{";
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i > 0) json += ',';
            json += '"' + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
        }
        return header(json + '}');
    };
    EXPECT_EQ(read(with_tensors(1000))->tensor_count, 1000u);
    EXPECT_EQ(read(with_tensors(kSafetensorsMaxTensors + 1)).error().kind, unsupported);
}

TEST(Safetensors, what_the_format_allows_is_read) {
    EXPECT_TRUE(read(header("{}"), 10));
    EXPECT_EQ(read(header(R"({"__metadata__":{"format":"pt"}})"))->tensor_count, 0u);
    EXPECT_TRUE(read(header("{}" + std::string(200'000, ' ')))) << "padding across pieces";
    // In any order, with an empty tensor and a single number.
    const auto result = read(header(R"({"b":{"dtype":"F4","shape":[2,3],"data_offsets":[8,11]},)"
                                    R"("a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                                    R"("c":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]}})"));
    ASSERT_TRUE(result) << result.error().message.en;
    EXPECT_EQ(result->parameter_count, 7u);
    EXPECT_EQ(result->dtypes, (std::vector<DtypeShare>{{"F4", 1, 6}, {"F64", 1, 1}, {"F32", 1, 0}}));
    EXPECT_EQ(result->required_size, result->data_offset + 11);
}

}  // namespace llmm::formats
