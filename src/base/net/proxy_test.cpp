#include "base/net/proxy.hpp"

#include <gtest/gtest.h>

namespace llmm {
namespace {

bool goes_direct(const std::string& no_proxy, std::string_view url) {
    const HttpClient::Options options{
        .user_agent = "", .http_proxy = "http://p:1", .https_proxy = "http://s:2", .no_proxy = no_proxy};
    return proxy_for(options, Url::parse(url).value()).empty();
}

}  // namespace

TEST(Proxy, follows_the_scheme_of_the_url) {
    const HttpClient::Options options{.user_agent = "", .http_proxy = "http://p:1"};
    EXPECT_EQ(proxy_for(options, Url::parse("http://h.example/").value()), "http://p:1");
    EXPECT_EQ(proxy_for(options, Url::parse("https://h.example/").value()), "");
}

TEST(Proxy, no_proxy_names_hosts_and_domains) {
    const std::string list = "localhost, .Corp.example,10.0.0.1:8080,::1,[fd00::1]:81";
    for (const char* url : {"http://localhost:99/", "http://corp.example/", "https://a.b.corp.example/",
                            "http://10.0.0.1:8080/", "http://[::1]/", "http://[fd00::1]:81/"}) {
        EXPECT_TRUE(goes_direct(list, url)) << url;
    }
    for (const char* url : {"http://notcorp.example/", "http://10.0.0.1/", "http://10.0.0.10:8080/",
                            "http://[fd00::1]/", "http://corp.example.evil.example/", "http://h.example/"}) {
        EXPECT_FALSE(goes_direct(list, url)) << url;
    }
    EXPECT_TRUE(goes_direct("*", "https://h.example/"));
    EXPECT_FALSE(goes_direct("", "https://h.example/"));
    EXPECT_FALSE(goes_direct(" , ,", "https://h.example/"));
}

}  // namespace llmm
