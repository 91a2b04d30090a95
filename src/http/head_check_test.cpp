#include "http/head_check.hpp"

#include <gtest/gtest.h>

namespace llmm::http {
namespace {

std::optional<ErrorCode> refusal(std::string_view head) {
    try {
        scan_head(head);
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

bool refuses_target(std::string_view target) {
    try {
        parse_target(target);
    } catch (const Error&) {
        return true;
    }
    return false;
}

}  // namespace

TEST(HeadCheck, finds_the_end_of_a_head_however_it_arrives) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (std::size_t n = 0; n < head.size(); ++n) {
        ASSERT_EQ(scan_head(head.substr(0, n)).state, HeadState::incomplete) << n;
    }
    const auto scan = scan_head(head + "GET /next");
    EXPECT_EQ(scan.state, HeadState::complete);
    EXPECT_EQ(scan.size, head.size());
}

TEST(HeadCheck, refuses_what_two_readers_could_read_differently) {
    for (const std::string_view bad :
         {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "\r\nGET / HTTP/1.1\r\n",
          "GET / HTTP/1.1\r\n folded\r\n", "GET / HTTP/1.1\r\nHost : a\r\n", "GET / HTTP/1.1\r\nHost\r\n",
          "GET / HTTP/1.1\r\n: a\r\n", "GET /\x01 HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: a\rb\r\n",
          "GET / HTTP/1.1\r\nX: a\x7f\r\n"}) {
        EXPECT_EQ(refusal(bad), ErrorCode::malformed_request) << bad;
    }
    EXPECT_EQ(refusal(std::string_view("GET / HTTP/1.1\r\nX: a\0b\r\n", 24)), ErrorCode::malformed_request);
}

TEST(HeadCheck, bounds_line_headers_and_their_number) {
    EXPECT_EQ(refusal("GET /" + std::string(kMaxRequestLine, 'a')), ErrorCode::uri_too_long);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nX: " + std::string(kMaxHead, 'a')), ErrorCode::headers_too_large);
    std::string many = "GET / HTTP/1.1\r\n";
    for (std::size_t i = 0; i < kMaxHeaders; ++i)
        many += "A: b\r\n";
    EXPECT_EQ(refusal(many + "\r\n"), std::nullopt);
    EXPECT_EQ(refusal(many + "A: b\r\n\r\n"), ErrorCode::headers_too_large);
}

TEST(Target, is_decoded_once_and_split) {
    const Target target = parse_target("/a%20b/c?q=x+y%26z&empty=&flag&%E4%B8%AD=1");
    EXPECT_EQ(target.path, "/a b/c");
    ASSERT_EQ(target.query.size(), 4u);
    EXPECT_EQ(target.query[0], (std::pair<std::string, std::string>("q", "x y&z")));
    EXPECT_EQ(target.query[2], (std::pair<std::string, std::string>("flag", "")));
    EXPECT_EQ(target.query[3].first, "中");
}

TEST(Target, refuses_paths_that_mean_another_place) {
    for (const std::string_view bad : {"", "*", "http://a/", "a", "/%", "/%zz", "/%00", "/a//b", "/./a", "/a/..",
                                       "/%2e%2e/etc", "/%ff", "/%c0%80", "/?a=%ed%a0%80", "/a?x=%"}) {
        EXPECT_TRUE(refuses_target(bad)) << bad;
    }
}

}  // namespace llmm::http
