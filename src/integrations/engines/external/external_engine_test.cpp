#include "integrations/engines/external/external_engine.hpp"

#include <gtest/gtest.h>

namespace llmm::engines {
namespace {

TEST(ExternalUrl, is_a_base_without_v1) {
    const auto plain = parse_external_url("http://127.0.0.1:8080/");
    ASSERT_TRUE(plain);
    EXPECT_EQ(to_string(plain->endpoint), "http://127.0.0.1:8080");
    EXPECT_EQ(plain->base_path, "");
    const auto named = parse_external_url("https://api.example.com/llm/openai/");
    ASSERT_TRUE(named);
    EXPECT_EQ(to_string(named->endpoint), "https://api.example.com:443");
    EXPECT_EQ(named->base_path, "/llm/openai");
    EXPECT_TRUE(parse_external_url("http://10.0.0.7:8000"));
    EXPECT_TRUE(parse_external_url("http://[fd12::1]:8000"));
    EXPECT_TRUE(parse_external_url("http://gpu-box:8000"));
}

TEST(ExternalUrl, never_leads_to_where_machines_ask_for_their_secrets) {
    for (const char* text : {"http://169.254.169.254/",
                             "http://169.254.0.1:80",
                             "http://[fe80::1]:80",
                             "http://[::ffff:169.254.169.254]:80",
                             "http://[fd00:ec2::254]/",
                             "http://0.0.0.0:80",
                             "http://[::]:80",
                             "http://224.0.0.1:80",
                             "http://255.255.255.255/",
                             "http://0xa9fea9fe/",
                             "http://2852039166/",
                             "http://169.254.43518/",
                             "https://host/v1",
                             "https://host/x/v1/",
                             "https://host/?a=b",
                             "ftp://host",
                             "http://user@host/",
                             "file:///etc/passwd",
                             "unix:/x.sock",
                             "",
                             "host:80",
                             "http://ho st/",
                             "http://host:99999/"}) {
        EXPECT_FALSE(parse_external_url(text)) << text;
    }
}

}  // namespace
}  // namespace llmm::engines
