#include "base/net/url_guard.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <ifaddrs.h>
#include <memory>
#include <netinet/in.h>

namespace llmm {
namespace {

struct Range4 {
    std::uint32_t first;
    int bits;
};
// The blocks of the IANA special-purpose registry that are not globally reachable, and multicast.
constexpr Range4 kNotPublic4[] = {
    {0x00000000, 8},   // this network
    {0x0a000000, 8},   // private
    {0x64400000, 10},  // carrier-grade NAT
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local, cloud metadata
    {0xac100000, 12},  // private
    {0xc0000000, 24},  // IETF protocols
    {0xc0000200, 24},  // documentation
    {0xc0586300, 24},  // 6to4 relays
    {0xc0a80000, 16},  // private
    {0xc6120000, 15},  // benchmarks
    {0xc6336400, 24},  // documentation
    {0xcb007100, 24},  // documentation
    {0xe0000000, 4},   // multicast
    {0xf0000000, 4},   // reserved, broadcast
};

bool is_public4(std::uint32_t address) {
    return std::ranges::none_of(kNotPublic4,
                                [&](const Range4& range) { return (address ^ range.first) >> (32 - range.bits) == 0; });
}

bool is_public6(const std::array<std::uint8_t, 16>& address) {
    const auto word = [&](int i) { return static_cast<unsigned>(address[2 * i] << 8 | address[2 * i + 1]); };
    // Global unicast is 2000::/3 and nothing else: this leaves out mapped and NAT64 addresses (::ffff:0:0/96,
    // 64:ff9b::/96), fc00::/7, fe80::/10 and ff00::/8.
    if (address[0] >> 5 != 1) return false;
    if (word(0) == 0x2001 && word(1) < 0x0200) return false;   // IETF protocols, Teredo
    if (word(0) == 0x2001 && word(1) == 0x0db8) return false;  // documentation
    if (word(0) == 0x3fff && word(1) < 0x1000) return false;   // documentation
    return word(0) != 0x2002;                                  // 6to4
}

bool equal_address(const sockaddr& a, const sockaddr& b) {
    if (a.sa_family != b.sa_family) return false;
    if (a.sa_family == AF_INET) {
        return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
               reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
    }
    return a.sa_family == AF_INET6 &&
           std::memcmp(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                       &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr, sizeof(in6_addr)) == 0;
}

// A public address can be this machine's own: its other services are no more public for that.
bool is_own_address(const sockaddr& address) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return true;
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr != nullptr && equal_address(*entry->ifa_addr, address)) return true;
    }
    return false;
}

// Names that never mean a host of the public internet (RFC 6761, 6762, 8375, ICANN's "internal"). The address
// decides when this program connects itself; behind a proxy only the name is known.
bool is_local_name(std::string_view host) {
    static constexpr std::string_view kSuffixes[] = {".localhost", ".local", ".internal", ".home.arpa"};
    return !host.contains('.') || std::ranges::any_of(kSuffixes, [&](std::string_view s) { return host.ends_with(s); });
}

bool is_public_host(const std::string& host) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return is_public_address(reinterpret_cast<sockaddr&>(v4));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1)
        return is_public_address(reinterpret_cast<sockaddr&>(v6));
    return !is_local_name(host);
}

[[noreturn]] void forbid(std::string_view reason, Text message) {
    throw Error(ErrorCode::url_forbidden, std::move(message), {{"reason", std::string(reason)}});
}

}  // namespace

UrlGuard::UrlGuard(std::vector<std::string> allowed_hosts) {
    for (const std::string& entry : allowed_hosts) {
        // More than one colon without brackets: an IPv6 address alone.
        const bool bare_v6 = !entry.starts_with('[') && std::ranges::count(entry, ':') > 1;
        const std::string authority = bare_v6 ? "[" + entry + "]" : entry;
        const auto url = Url::parse("http://" + authority + "/");
        if (!url || authority.find_first_of("/?#") != std::string::npos) {
            throw Error(ErrorCode::validation_failed,
                        Text::format("{} is not a host or host:port", "{} 不是有效的主机或主机:端口", entry));
        }
        const bool has_port = !bare_v6 && authority.rfind(':') != std::string::npos && !authority.ends_with(']');
        allowed_.push_back({url->host(), has_port ? url->port() : std::uint16_t{0}});
    }
}

bool UrlGuard::is_allowed_host(const Url& url) const {
    return std::ranges::any_of(allowed_, [&](const Allowed& allowed) {
        return allowed.host == url.host() && (allowed.port == 0 || allowed.port == url.port());
    });
}

void UrlGuard::check(const Url& url) const {
    if (is_allowed_host(url)) return;
    if (url.scheme() != "https") forbid("scheme", {"Only https addresses may be used", "只能使用 https 地址"});
    if (url.port() != 443) forbid("port", {"Only port 443 may be used", "只能使用 443 端口"});
    if (!is_public_host(url.host())) {
        forbid("host", {"Only hosts of the public internet may be used", "只能使用公共互联网上的主机"});
    }
}

void UrlGuard::check_redirect(const Url& from, const Url& to) const {
    if (from.scheme() == "https" && to.scheme() != "https") {
        forbid("scheme", {"An https address led to an http one", "https 地址被重定向到了 http 地址"});
    }
    check(to);
}

bool UrlGuard::may_connect(const Url& url, const sockaddr& address) const {
    return is_allowed_host(url) || (is_public_address(address) && !is_own_address(address));
}

bool is_public_address(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        return is_public4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
    }
    if (address.sa_family != AF_INET6) return false;
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, bytes.size());
    return is_public6(bytes);
}

}  // namespace llmm
