#include "features/downloads/range_response.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

HttpHeaders headers(std::string range, std::string length, std::string encoding = "") {
    HttpHeaders all;
    if (!range.empty()) all.push_back({"Content-Range", range});
    if (!length.empty()) all.push_back({"Content-Length", length});
    if (!encoding.empty()) all.push_back({"Content-Encoding", encoding});
    return all;
}

constexpr RangeRequest kMiddle{.range = {100, 200}, .size = 1000};
constexpr RangeRequest kWhole{.range = {0, 1000}, .size = 1000};

}  // namespace

TEST(ContentRange, only_a_whole_one_is_understood) {
    EXPECT_EQ(parse_content_range("bytes 100-199/1000")->range, (ByteRange{100, 200}));
    EXPECT_EQ(parse_content_range("bytes 0-0/1")->total, 1u);
    for (const char* bad : {"", "bytes", "bytes */1000", "bytes 100-199/*", "bytes 199-100/1000", "bytes 100-1000/1000",
                            "bytes -100-199/1000", "bytes 100-199/1000 ", "bytes=100-199/1000", "bytes 1e2-199/1000",
                            "bytes 100-199/99999999999999999999999", "bytes 100199/1000", "bytes 1/2-3"}) {
        EXPECT_FALSE(parse_content_range(bad)) << bad;
    }
}

TEST(RangeResponse, takes_exactly_what_was_asked_for) {
    EXPECT_EQ(judge(kMiddle, 206, headers("bytes 100-199/1000", "100")), RangeVerdict::wanted);
    RangeRequest modelscope = kMiddle;
    modelscope.may_be_200 = true;
    EXPECT_EQ(judge(modelscope, 200, headers("bytes 100-199/1000", "100")), RangeVerdict::wanted);
    EXPECT_EQ(judge(modelscope, 200, headers("bytes 0-99/1000", "100")), RangeVerdict::other_bytes);
    EXPECT_EQ(judge(modelscope, 200, headers("", "1000")), RangeVerdict::no_ranges);
    EXPECT_EQ(judge(kMiddle, 206, headers("bytes 100-199/1000", "100", "identity")), RangeVerdict::wanted);
    EXPECT_EQ(judge(kWhole, 200, headers("", "1000")), RangeVerdict::wanted);
    EXPECT_EQ(judge(kWhole, 200, headers("", "")), RangeVerdict::wanted);
}

TEST(RangeResponse, refuses_everything_else) {
    for (const auto& wrong :
         {headers("bytes 101-200/1000", "100"), headers("bytes 100-199/1001", "100"),
          headers("bytes 100-198/1000", "99"), headers("bytes 100-199/1000", "99"), headers("bytes 100-199/1000", ""),
          headers("bytes 100-199/*", "100"), headers("", "100"), headers("bytes 100-199/1000", "100", "gzip")}) {
        EXPECT_EQ(judge(kMiddle, 206, wrong), RangeVerdict::other_bytes);
    }
    EXPECT_EQ(judge(kMiddle, 200, headers("", "1000")), RangeVerdict::no_ranges);
    EXPECT_EQ(judge(kMiddle, 200, headers("", "100")), RangeVerdict::other_bytes);
    EXPECT_EQ(judge(kMiddle, 200, headers("bytes 100-199/1000", "100")), RangeVerdict::other_bytes);
    EXPECT_EQ(judge(kWhole, 200, headers("", "999")), RangeVerdict::other_bytes);
    EXPECT_EQ(judge(kWhole, 200, headers("", "1000", "gzip")), RangeVerdict::other_bytes);
}

TEST(RangeResponse, statuses_say_what_to_do_next) {
    EXPECT_EQ(judge(kMiddle, 403, {}), RangeVerdict::expired);
    EXPECT_EQ(judge(kMiddle, 404, {}), RangeVerdict::not_found);
    EXPECT_EQ(judge(kMiddle, 429, {}), RangeVerdict::rate_limited);
    for (const int status : {204, 302, 400, 416, 500, 503})
        EXPECT_EQ(judge(kMiddle, status, {}), RangeVerdict::server_failed) << status;
}

}  // namespace llmm::downloads
