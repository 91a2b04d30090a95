#include "base/net/url.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm {
namespace {

Url url(std::string_view text) {
    const auto parsed = Url::parse(text);
    if (!parsed) throw std::invalid_argument(std::string(text));
    return *parsed;
}

std::string resolved(std::string_view base, std::string_view location) {
    const auto target = url(base).resolve(location);
    return target ? target->str() : "none";
}

}  // namespace

TEST(Url, gives_its_parts) {
    const Url u = url("HTTPS://Host.Example:8443/a%20b/?x=1&y=%2F#part");
    EXPECT_EQ(u.scheme(), "https");
    EXPECT_EQ(u.host(), "host.example");
    EXPECT_EQ(u.port(), 8443);
    EXPECT_EQ(u.path(), "/a%20b/");
    EXPECT_EQ(u.query(), "x=1&y=%2F");
    EXPECT_EQ(u.str(), "https://host.example:8443/a%20b/?x=1&y=%2F");
    EXPECT_EQ(u.origin(), "https://host.example:8443");
    EXPECT_EQ(u.for_log(), "https://host.example:8443/a%20b/");
}

TEST(Url, has_one_spelling) {
    EXPECT_EQ(url("https://host.example").str(), "https://host.example/");
    EXPECT_EQ(url("https://host.example:443/?").str(), "https://host.example/");
    EXPECT_EQ(url("http://host.example:0080/").str(), "http://host.example/");
    EXPECT_EQ(url("https://host.example?a=b").str(), "https://host.example/?a=b");
    EXPECT_EQ(url("https://host.example/a/./b/../c").str(), "https://host.example/a/c");
    EXPECT_EQ(url("https://[2001:0DB8:0:0:0:0:0:1]:444/").str(), "https://[2001:db8::1]:444/");
    EXPECT_EQ(url("https://[2001:db8::1]/").host(), "2001:db8::1");
}

TEST(Url, parse_refuses_what_two_readers_could_read_differently) {
    const std::string long_path(8 * 1024, 'a');
    for (const std::string& bad : {std::string(),
                                   std::string("host.example"),
                                   std::string("/path"),
                                   std::string("ftp://host.example/"),
                                   std::string("file:///etc/passwd"),
                                   std::string("https:/host.example/"),
                                   std::string("https:///host.example/"),
                                   std::string("https://"),
                                   std::string("https://user@host.example/"),
                                   std::string("https://u:p@host.example/"),
                                   std::string("https://@host.example/"),
                                   std::string("https://good.example\\@evil.example/"),
                                   std::string("https://host.example/a b"),
                                   std::string("https://host.example/\t"),
                                   std::string("https://host.example/a\r\nX: y"),
                                   std::string("https://host.example/\0", 22),
                                   std::string("https://h\u00f6st.example/"),
                                   std::string("https://host.example/\u00f6"),
                                   std::string("https://evil\u3002example/"),
                                   std::string("https://%68ost.example/"),
                                   std::string("https://host.example./"),
                                   std::string("https://host..example/"),
                                   std::string("https://.example/"),
                                   std::string("https://-host.example/"),
                                   std::string("https://ho*st.example/"),
                                   std::string("https://host.example:/"),
                                   std::string("https://host.example:0/"),
                                   std::string("https://host.example:65536/"),
                                   std::string("https://host.example:8x/"),
                                   std::string("https://host.example:-1/"),
                                   std::string("http://[::1/"),
                                   std::string("http://[fe80::1%25eth0]/"),
                                   std::string("http://[::1]x/"),
                                   std::string("http://::1/"),
                                   "https://host.example/" + long_path}) {
        EXPECT_FALSE(Url::parse(bad)) << bad.substr(0, 60);
    }
}

TEST(Url, parse_takes_ipv4_in_dotted_decimal_only) {
    EXPECT_EQ(url("http://127.0.0.1:8080/").host(), "127.0.0.1");
    for (const char* bad : {"http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
                            "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.0.0x1/", "http://1.2.3.256/",
                            "http://1.2.3.4.5/", "http://host.0x/", "http://0X7F.1/", "http://example.1/"}) {
        EXPECT_FALSE(Url::parse(bad)) << bad;
    }
}

TEST(Url, resolves_locations) {
    EXPECT_EQ(resolved("https://h.example/a/b?q=1", "/c?d=%2F"), "https://h.example/c?d=%2F");
    EXPECT_EQ(resolved("https://h.example/a/b?q=/1/", "c"), "https://h.example/a/c");
    EXPECT_EQ(resolved("https://h.example/a/b", "../../../c"), "https://h.example/c");
    EXPECT_EQ(resolved("https://h.example/a/b?q=1", "?z"), "https://h.example/a/b?z");
    EXPECT_EQ(resolved("https://h.example/a?q=1", "#part"), "https://h.example/a?q=1");
    EXPECT_EQ(resolved("https://h.example/a", "//cdn.example/b"), "https://cdn.example/b");
    EXPECT_EQ(resolved("https://h.example/a", "http://other.example:81/b"), "http://other.example:81/b");
    EXPECT_EQ(resolved("http://h.example:8080/a", "/b"), "http://h.example:8080/b");
}

TEST(Url, resolve_is_as_strict_as_parse) {
    for (const char* bad : {"//0x7f.1/", "//user@evil.example/", "javascript:alert(1)", "file:///etc/passwd",
                            "/\\evil.example", "////evil.example/", "/a b", "https:evil.example", "http:///x", "//"}) {
        EXPECT_EQ(resolved("https://h.example/a", bad), "none") << bad;
    }
}

TEST(Url, origin_is_scheme_host_and_port) {
    EXPECT_TRUE(url("https://h.example/a").same_origin(url("https://H.example:443/b?c")));
    EXPECT_FALSE(url("https://h.example/").same_origin(url("http://h.example/")));
    EXPECT_FALSE(url("https://h.example/").same_origin(url("https://h.example:444/")));
    EXPECT_FALSE(url("https://h.example/").same_origin(url("https://sub.h.example/")));
}

TEST(Url, with_path_appends_encoded_segments) {
    EXPECT_EQ(url("https://h.example").with_path("org/my model#1/100%.gguf").str(),
              "https://h.example/org/my%20model%231/100%25.gguf");
    EXPECT_EQ(url("https://h.example/api/?x=1").with_path("/models").str(), "https://h.example/api/models?x=1");
    EXPECT_EQ(url("https://h.example/").with_path("模").str(), "https://h.example/%E6%A8%A1");
    for (const char* bad : {"..", "a/../b", "./a", "a/."}) {
        EXPECT_THROW(url("https://h.example/x/y").with_path(bad), Error) << bad;
    }
    EXPECT_THROW(url("https://h.example/").with_path(std::string(9000, 'a')), Error);
}

TEST(Url, with_query_adds_an_encoded_parameter) {
    EXPECT_EQ(url("https://h.example/a").with_query("search", "a&b=c d").str(),
              "https://h.example/a?search=a%26b%3Dc%20d");
    EXPECT_EQ(url("https://h.example/a?x=1").with_query("y", "").str(), "https://h.example/a?x=1&y=");
}

TEST(PercentEncoding, is_undone_by_decoding) {
    const std::string text = "a/b c%~-._\xff\n";
    EXPECT_EQ(percent_encode(text), "a%2Fb%20c%25~-._%FF%0A");
    EXPECT_EQ(percent_decode(percent_encode(text)), text);
    EXPECT_EQ(percent_decode("%e6%A8+"), "\xe6\xa8+");
}

TEST(PercentEncoding, broken_escapes_and_nul_are_refused) {
    for (const char* bad : {"%", "a%2", "%zz", "%0g", "%00", "a%00b", "%%20"})
        EXPECT_FALSE(percent_decode(bad)) << bad;
}

}  // namespace llmm
