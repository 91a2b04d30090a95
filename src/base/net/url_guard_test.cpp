#include "base/net/url_guard.hpp"

#include "base/error/error.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

namespace llmm {
namespace {

struct Address {
    explicit Address(const std::string& text) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
            v4.sin_family = AF_INET;
        } else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
            v6.sin6_family = AF_INET6;
        } else {
            throw std::invalid_argument(text);
        }
    }
    const sockaddr& get() const { return reinterpret_cast<const sockaddr&>(storage); }

    sockaddr_storage storage{};
};

Url url(std::string_view text) {
    return Url::parse(text).value();
}

// The detail "reason" of the refusal; "" when the URL is fine.
std::string refusal(const auto& check) {
    try {
        check();
        return "";
    } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::url_forbidden);
        return std::get<std::string>(e.details().at(0).value);
    }
}
std::string refusal(const UrlGuard& guard, std::string_view text) {
    return refusal([&] { guard.check(url(text)); });
}

}  // namespace

TEST(PublicAddress, the_internet_is_public) {
    for (const char* text :
         {"1.1.1.1",        "8.8.8.8",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
          "100.128.0.0",    "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",
          "172.15.255.255", "172.32.0.0",      "192.0.1.0",       "192.167.255.255", "192.169.0.0",
          "198.17.255.255", "198.20.0.0",      "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
          "2400::1",        "2003::1"}) {
        EXPECT_TRUE(is_public_address(Address(text).get())) << text;
    }
}

TEST(PublicAddress, special_ipv4_ranges_are_not) {
    for (const char* text :
         {"0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255", "100.64.0.0",
          "100.127.255.255", "127.0.0.1",       "127.255.255.255", "169.254.0.0",    "169.254.169.254",
          "172.16.0.0",      "172.31.255.255",  "192.0.0.8",       "192.0.2.1",      "192.88.99.1",
          "192.168.0.1",     "192.168.255.255", "198.18.0.1",      "198.19.255.255", "198.51.100.1",
          "203.0.113.255",   "224.0.0.1",       "239.255.255.255", "240.0.0.1",      "255.255.255.255"}) {
        EXPECT_FALSE(is_public_address(Address(text).get())) << text;
    }
}

TEST(PublicAddress, special_ipv6_ranges_are_not) {
    for (const char* text : {"::",
                             "::1",
                             "::ffff:127.0.0.1",
                             "::ffff:8.8.8.8",
                             "::7f00:1",
                             "64:ff9b::7f00:1",
                             "64:ff9b::808:808",
                             "64:ff9b:1::1",
                             "100::1",
                             "2001::1",
                             "2001:20::1",
                             "2001:db8::1",
                             "2002:7f00:1::",
                             "3fff::1",
                             "fc00::1",
                             "fd00:ec2::254",
                             "fe80::1",
                             "fec0::1",
                             "ff02::1",
                             "4000::1",
                             "5f00::1"}) {
        EXPECT_FALSE(is_public_address(Address(text).get())) << text;
    }
}

TEST(PublicAddress, other_families_are_not) {
    sockaddr unix_socket{};
    unix_socket.sa_family = AF_UNIX;
    EXPECT_FALSE(is_public_address(unix_socket));
}

TEST(UrlGuard, says_why_it_refuses) {
    const UrlGuard guard({});
    EXPECT_EQ(refusal(guard, "https://huggingface.co/api"), "");
    EXPECT_EQ(refusal(guard, "https://8.8.8.8/"), "");
    EXPECT_EQ(refusal(guard, "http://huggingface.co/"), "scheme");
    EXPECT_EQ(refusal(guard, "https://huggingface.co:8443/"), "port");
    for (const char* text :
         {"https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://localhost/", "https://intranet/",
          "https://a.localhost/", "https://printer.local/", "https://metadata.google.internal/"}) {
        EXPECT_EQ(refusal(guard, text), "host") << text;
    }
}

TEST(UrlGuard, operator_hosts_may_be_anything) {
    const UrlGuard guard({"Mirror.lan", "127.0.0.1:8080", "::1", "[fd00::1]:81"});
    EXPECT_EQ(refusal(guard, "http://mirror.lan:1234/"), "");
    EXPECT_EQ(refusal(guard, "http://127.0.0.1:8080/"), "");
    EXPECT_EQ(refusal(guard, "http://127.0.0.1:8081/"), "scheme");
    EXPECT_EQ(refusal(guard, "http://[::1]:5/"), "");
    EXPECT_EQ(refusal(guard, "http://[fd00::1]:81/"), "");
    EXPECT_EQ(refusal(guard, "https://[fd00::1]/"), "host");
    EXPECT_EQ(refusal(guard, "https://sub.mirror.lan:444/"), "port");
    EXPECT_TRUE(guard.is_allowed_host(url("https://mirror.lan/")));
    EXPECT_FALSE(guard.is_allowed_host(url("https://mirror.lan.evil.example/")));
}

TEST(UrlGuard, port_80_in_an_entry_means_that_port) {
    EXPECT_EQ(refusal(UrlGuard({"mirror.lan:80"}), "http://mirror.lan:81/"), "scheme");
}

TEST(UrlGuard, entries_must_be_hosts) {
    for (const char* bad : {"", "http://mirror.lan", "mirror.lan/", "mirror.lan:0", "mirror.lan:x", "user@mirror.lan",
                            "0x7f.1", "a b", "mirror.lan?", "mirror.lan#", "1:2"}) {
        EXPECT_THROW(UrlGuard({bad}), Error) << bad;
    }
}

TEST(UrlGuard, redirects_never_leave_https) {
    const UrlGuard guard({"mirror.lan"});
    const auto redirect = [&](std::string_view from, std::string_view to) {
        return refusal([&] { guard.check_redirect(url(from), url(to)); });
    };
    EXPECT_EQ(redirect("https://huggingface.co/", "https://cdn.example/"), "");
    EXPECT_EQ(redirect("https://huggingface.co/", "http://mirror.lan/"), "scheme");
    EXPECT_EQ(redirect("http://mirror.lan/", "http://mirror.lan/x"), "");
    EXPECT_EQ(redirect("http://mirror.lan/", "https://10.0.0.1/"), "host");
}

TEST(UrlGuard, the_address_decides_when_connecting) {
    const UrlGuard guard({"mirror.lan:8080"});
    EXPECT_TRUE(guard.may_connect(url("https://huggingface.co/"), Address("8.8.8.8").get()));
    EXPECT_FALSE(guard.may_connect(url("https://huggingface.co/"), Address("10.0.0.1").get()));
    EXPECT_FALSE(guard.may_connect(url("https://huggingface.co/"), Address("::1").get()));
    EXPECT_TRUE(guard.may_connect(url("http://mirror.lan:8080/"), Address("10.0.0.1").get()));
    EXPECT_FALSE(guard.may_connect(url("http://mirror.lan:8081/"), Address("10.0.0.1").get()));
}

TEST(UrlGuard, addresses_of_this_machine_are_refused) {
    ifaddrs* list = nullptr;
    ASSERT_EQ(getifaddrs(&list), 0);
    int checked = 0;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
        EXPECT_FALSE(UrlGuard({}).may_connect(url("https://huggingface.co/"), *entry->ifa_addr));
        ++checked;
    }
    freeifaddrs(list);
    EXPECT_GT(checked, 0);
}

}  // namespace llmm
