#include "integrations/huggingface/links.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {
namespace {

const Url kPage = *Url::parse("https://hub.example/api/models?limit=2");

std::string cursor_of(const std::string& link) {
    return next_cursor(kPage, {{"link", link}});
}

bool is_refused(const std::string& link) {
    try {
        cursor_of(link);
    } catch (const Error& error) {
        return error.code() == ErrorCode::hub_bad_response;
    }
    return false;
}

std::optional<TimePoint> expiry(const char* query) {
    return expiry_of(*Url::parse(std::string("https://cdn.example/x") + query));
}

}  // namespace

TEST(HuggingFaceLinks, takes_only_the_cursor_from_the_next_link) {
    EXPECT_EQ(cursor_of(R"(<https://hub.example/api/models?limit=2&cursor=eyJ%3D%3D>; rel="next")"), "eyJ==");
    EXPECT_EQ(cursor_of(R"(</api/models?cursor=a%26b>; rel="next")"), "a&b");
    EXPECT_EQ(
        cursor_of(R"(<https://x.example/a,b>; rel="prev", <https://hub.example/api/models?cursor=2>; rel="next")"),
        "2");
}

TEST(HuggingFaceLinks, ends_without_a_next_link) {
    EXPECT_EQ(next_cursor(kPage, {}), "");
    for (const char* link :
         {"", "nonsense", "<https://hub.example/api/models?cursor=1", R"(<https://cas.example/x>; rel="xet-auth")"}) {
        EXPECT_EQ(cursor_of(link), "") << link;
    }
}

TEST(HuggingFaceLinks, refuses_a_next_page_that_is_somewhere_else) {
    for (const char* target :
         {"https://evil.example/api/models?cursor=1", "http://hub.example/api/models?cursor=1",
          "https://hub.example:444/api/models?cursor=1", "//evil.example/api/models?cursor=1",
          "https://hub.example/api/spaces?cursor=1", "https://hub.example/api/models",
          "https://hub.example/api/models?cursor=", "https://hub.example/api/models?cursor=%zz",
          "https://user@hub.example/api/models?cursor=1", "ftp://hub.example/api/models?cursor=1"}) {
        EXPECT_TRUE(is_refused(fmt::format("<{}>; rel=\"next\"", target))) << target;
    }
    EXPECT_TRUE(
        is_refused(fmt::format("<https://hub.example/api/models?cursor={}>; rel=\"next\"", std::string(2049, 'a'))));
}

TEST(HuggingFaceLinks, reads_when_a_signed_url_expires) {
    EXPECT_EQ(to_rfc3339(expiry("?Policy=x&Expires=1786000000&Signature=y").value()), "2026-08-06T07:06:40.000Z");
    EXPECT_EQ(to_rfc3339(expiry("?X-Amz-Date=20260131T120000Z&X-Amz-Expires=3600&X-Amz-Signature=y").value()),
              "2026-01-31T13:00:00.000Z");
}

TEST(HuggingFaceLinks, knows_no_expiry_when_it_is_not_told_or_odd) {
    for (const char* query : {"", "?a=b", "?Expires=", "?Expires=-1", "?Expires=soon", "?Expires=99999999999999999999",
                              "?Expires=9999999999999999", "?X-Amz-Expires=3600", "?X-Amz-Date=20260131T120000Z",
                              "?X-Amz-Date=20261331T120000Z&X-Amz-Expires=1", "?X-Amz-Date=2026&X-Amz-Expires=1"}) {
        EXPECT_EQ(expiry(query), std::nullopt) << query;
    }
}

}  // namespace llmm::hubs::huggingface
