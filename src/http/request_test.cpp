#include "http/request.hpp"

#include "base/error/error.hpp"
#include "http/compression.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::http {

TEST(Request, prefers_chinese_only_where_the_client_does) {
    EXPECT_EQ(preferred_language("zh-CN,zh;q=0.9,en;q=0.8"), Language::zh);
    EXPECT_EQ(preferred_language("en,zh;q=0.5"), Language::en);
    EXPECT_EQ(preferred_language("fr, zh;q=0.1"), Language::zh);
    for (const char* english : {"", "*", "zh;q=0", "en-GB", ";;;,,,"})
        EXPECT_EQ(preferred_language(english), Language::en) << english;
}

TEST(Request, takes_json_only_by_its_own_name) {
    Request request;
    request.body = "{}";
    const auto code = [&] {
        try {
            request.json();
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::internal;
    };
    EXPECT_EQ(code(), ErrorCode::unsupported_media_type);
    request.headers = {{"content-type", "text/plain"}};
    EXPECT_EQ(code(), ErrorCode::unsupported_media_type);
    request.headers = {{"content-type", "Application/JSON; charset=utf-8"}};
    EXPECT_NO_THROW(request.json());
}

TEST(QueryReader, names_unknown_repeated_and_bad_parameters_together) {
    Request request;
    request.query = {{"limit", "201"}, {"sort", "x"}, {"sort", "y"}, {"colour", "red"}};
    QueryReader in(request);
    in.limit();
    in.text("sort");
    try {
        in.finish();
        FAIL();
    } catch (const Error& error) {
        std::vector<std::string> names;
        for (const Detail& detail : error.details())
            names.push_back(detail.name);
        EXPECT_EQ(names, (std::vector<std::string>{"limit", "sort", "colour"}));
    }
}

TEST(Envelope, every_kind_of_error_has_a_status_of_its_class) {
    for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
        const int status = status_of(kind_of(static_cast<ErrorCode>(code)));
        EXPECT_GE(status, 400) << code;
        EXPECT_FALSE(reason_phrase(status).empty()) << status;
    }
}

TEST(Envelope, the_tag_follows_the_data_and_not_the_time) {
    const Request request;
    const Response first = ok_tagged(request, boost::json::object{{"a", 1}}),
                   same = ok_tagged(request, boost::json::object{{"a", 1}}),
                   other = ok_tagged(request, boost::json::object{{"a", 2}});
    EXPECT_EQ(first.etag, same.etag);
    EXPECT_NE(first.etag, other.etag);
}

TEST(Compression, is_used_only_where_the_client_takes_it) {
    EXPECT_TRUE(accepts_gzip("gzip, deflate"));
    EXPECT_TRUE(accepts_gzip("br;q=1.0, gzip;q=0.5"));
    for (const char* no : {"", "br", "gzip;q=0", "gzip;q=0.0, br"})
        EXPECT_FALSE(accepts_gzip(no)) << no;
    EXPECT_LT(gzip(std::string(10'000, 'a')).size(), 200u);
}

}  // namespace llmm::http
