#pragma once
#include "base/net/url.hpp"

#include <cstdint>
#include <string>
#include <vector>

struct sockaddr;

namespace llmm {

// Decides which URLs this program may fetch on somebody else's word (a user's, a hub's redirect). Immutable, any
// thread.
//
// Default: https only, port 443, and only to addresses of the public internet. A host that the operator configured
// (an endpoint, or network.allowed_hosts) may also be private, plain http and on any port.
class UrlGuard {
  public:
    // Entries are "host" (any port) or "host:port"; VALIDATION_FAILED for anything else.
    explicit UrlGuard(std::vector<std::string> allowed_hosts);

    // Throws URL_FORBIDDEN; its detail "reason" is "scheme", "port" or "host". Knows a name, not where it leads: that
    // is may_connect's part.
    void check(const Url& url) const;
    // For a redirect: also refuses https to http.
    void check_redirect(const Url& from, const Url& to) const;
    // Asked with the address that is about to be connected, so that no second name lookup can change it. An address of
    // this machine is refused as a private one is.
    bool may_connect(const Url& url, const sockaddr& address) const;
    bool is_allowed_host(const Url& url) const;

  private:
    struct Allowed {
        std::string host;
        std::uint16_t port;  // 0: any
    };
    std::vector<Allowed> allowed_;
};

// False for loopback, private, link-local, carrier-grade NAT, multicast, reserved, documentation and unique-local
// ranges and for IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64, Teredo); false for other families.
bool is_public_address(const sockaddr& address);

}  // namespace llmm
