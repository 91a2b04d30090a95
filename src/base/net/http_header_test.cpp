#include "base/net/http_header.hpp"

#include <gtest/gtest.h>

namespace llmm {
namespace {

using Result = HeadReader::Result;

HttpRequest request() {
    return {.url = Url::parse("https://h.example/").value()};
}

bool refused(const HttpRequest& r) {
    try {
        check_request(r);
        return false;
    } catch (const HttpError& e) {
        return e.failure() == HttpFailure::protocol;
    }
}

}  // namespace

TEST(HttpHeaders, names_are_compared_without_case) {
    const HttpHeaders headers = {{"ETag", "1"}, {"etag", "2"}};
    EXPECT_EQ(find_header(headers, "eTAG"), "1");
    EXPECT_FALSE(find_header(headers, "etags"));
}

TEST(CheckRequest, refuses_what_would_forge_another_line) {
    auto good = request();
    good.headers = {{"X-A", "b c"}, {"Range", "bytes=0-0"}, {"X-Empty", ""}};
    good.bearer = SecretString("token");
    EXPECT_FALSE(refused(good));

    for (const std::string& value :
         {std::string("a\r\nX: y"), std::string("a\n"), std::string("a\r"), std::string("a\0b", 3)}) {
        auto in_value = request();
        in_value.headers = {{"X-A", value}};
        EXPECT_TRUE(refused(in_value));
        auto in_bearer = request();
        in_bearer.bearer = SecretString(value);
        EXPECT_TRUE(refused(in_bearer));
        auto in_method = request();
        in_method.method = value;
        EXPECT_TRUE(refused(in_method));
        auto in_name = request();
        in_name.headers = {{value, "x"}};
        EXPECT_TRUE(refused(in_name));
    }
}

TEST(CheckRequest, refuses_headers_that_are_the_clients) {
    for (const char* name :
         {"Host", "content-length", "Transfer-Encoding", "CONNECTION", "Expect", "Accept-Encoding", "Upgrade"}) {
        auto r = request();
        r.headers = {{name, "x"}};
        EXPECT_TRUE(refused(r)) << name;
    }
}

TEST(CheckRequest, never_repeats_a_secret) {
    auto r = request();
    r.bearer = SecretString("hunter2\n");
    try {
        check_request(r);
        FAIL();
    } catch (const HttpError& e) {
        EXPECT_EQ(std::string(e.what()).find("hunter2"), std::string::npos);
    }
}

TEST(HeadReader, keeps_the_final_response_only) {
    HeadReader reader;
    EXPECT_EQ(reader.add_line("HTTP/1.1 103 Early Hints\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("Link: x\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("HTTP/1.1 206 Partial Content\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("ETag: \t\"a: b\" \r\n"), Result::more);
    EXPECT_EQ(reader.add_line("\r\n"), Result::head_complete);
    EXPECT_EQ(reader.status(), 206);
    ASSERT_EQ(reader.headers().size(), 1u);
    EXPECT_EQ(reader.headers()[0].value, "\"a: b\"");
    EXPECT_EQ(reader.add_line("Trailer: x\r\n"), Result::more);
    EXPECT_EQ(reader.headers().size(), 1u);
}

TEST(HeadReader, refuses_malformed_heads) {
    for (const std::string& line : {std::string("no colon"), std::string(" folded: x"), std::string("Name : x"),
                                    std::string(": x"), std::string("A: b\0c", 6)}) {
        HeadReader reader;
        reader.add_line("HTTP/1.1 200 OK\r\n");
        EXPECT_EQ(reader.add_line(line + "\r\n"), Result::malformed) << line;
    }
    for (const char* line : {"HTTP/1.1 20 OK", "HTTP/1.1 abc", "ICY 200 OK", "HTTP/1.1", "HTTP/1.1 2000"}) {
        EXPECT_EQ(HeadReader().add_line(line), Result::malformed) << line;
    }
    HeadReader switched;
    switched.add_line("HTTP/1.1 101 Switching Protocols\r\n");
    EXPECT_EQ(switched.add_line("\r\n"), Result::malformed);
}

TEST(HeadReader, refuses_two_different_lengths) {
    HeadReader reader;
    reader.add_line("HTTP/1.1 200 OK\r\n");
    EXPECT_EQ(reader.add_line("Content-Length: 5\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("Content-Length: 5\r\n"), Result::more);
    EXPECT_EQ(reader.add_line("content-length: 6\r\n"), Result::malformed);
}

TEST(HeadReader, counts_everything_towards_the_limit) {
    const std::string line = "X-Filler: " + std::string(1012, 'x') + "\r\n";  // 1 KiB
    HeadReader reader;
    reader.add_line("HTTP/1.1 100 Continue\r\n");
    int lines = 0;
    while (reader.add_line(line) == Result::more)
        ++lines;
    EXPECT_EQ(lines, 63);
}

}  // namespace llmm
