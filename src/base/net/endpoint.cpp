#include "base/net/upstream.hpp"

#include <charconv>
#include <sys/un.h>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace llmm {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kHttp = "http://";
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

std::optional<Endpoint> parse_tcp(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    boost::system::error_code bad_address;
    const auto address = asio::ip::make_address(host, bad_address);
    if (bad_address || address.is_v6() != bracketed) return std::nullopt;
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return std::nullopt;
    return TcpEndpoint{address.to_string(), port};
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
    if (const auto* local = std::get_if<UnixEndpoint>(&endpoint)) return std::string(kUnix) + local->path;
    const auto* remote = std::get_if<RemoteEndpoint>(&endpoint);
    const TcpEndpoint tcp = remote ? TcpEndpoint{remote->host, remote->port} : std::get<TcpEndpoint>(endpoint);
    const bool is_v6 = tcp.address.find(':') != std::string::npos;
    return fmt::format(fmt::runtime(is_v6 ? "{}://[{}]:{}" : "{}://{}:{}"), remote && remote->tls ? "https" : "http",
                       tcp.address, tcp.port);
}

bool may_be_engine(const asio::ip::address& address) {
    if (address.is_v4()) {
        constexpr std::uint32_t kLinkLocal = 0xa9fe0000, kMask = 0xffff0000;  // 169.254.0.0/16
        const auto v4 = address.to_v4();
        return (v4.to_uint() & kMask) != kLinkLocal && !v4.is_multicast() && !v4.is_unspecified() &&
               v4 != asio::ip::address_v4::broadcast();
    }
    const auto v6 = address.to_v6();
    if (v6.is_v4_mapped()) return may_be_engine(asio::ip::make_address_v4(asio::ip::v4_mapped, v6));
    // Where Amazon's machines ask for their own secrets.
    if (v6 == asio::ip::make_address_v6("fd00:ec2::254")) return false;
    return !v6.is_link_local() && !v6.is_multicast() && !v6.is_unspecified();
}

std::optional<Endpoint> parse_endpoint(const std::string& text) {
    const std::string_view view = text;
    if (view.find('\0') != std::string_view::npos) return std::nullopt;
    if (view.starts_with(kHttp)) return parse_tcp(view.substr(kHttp.size()));
    if (!view.starts_with(kUnix)) return std::nullopt;
    const std::string_view path = view.substr(kUnix.size());
    if (!path.starts_with('/') || path.size() > kMaxSocketPath) return std::nullopt;
    return UnixEndpoint{std::string(path)};
}

}  // namespace llmm
