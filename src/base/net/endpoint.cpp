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
    const auto& tcp = std::get<TcpEndpoint>(endpoint);
    const bool is_v6 = tcp.address.find(':') != std::string::npos;
    return fmt::format(fmt::runtime(is_v6 ? "http://[{}]:{}" : "http://{}:{}"), tcp.address, tcp.port);
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
