#include "base/net/proxy.hpp"

#include <algorithm>

namespace llmm {
namespace {

bool matches(std::string_view pattern, const Url& url) {
    if (pattern == "*") return true;
    std::string_view host = pattern;
    if (pattern.starts_with('[')) {
        const std::size_t end = pattern.find(']');
        if (end == std::string_view::npos) return false;
        host = pattern.substr(1, end - 1);
        pattern.remove_prefix(end + 1);
    } else if (std::ranges::count(pattern, ':') == 1) {
        host = pattern.substr(0, pattern.find(':'));
        pattern.remove_prefix(host.size());
    } else {
        pattern = {};
    }
    // What is left of the pattern is the port.
    if (!pattern.empty() && pattern != ":" + std::to_string(url.port())) return false;
    if (host.starts_with('.')) host.remove_prefix(1);
    if (host.empty() || !url.host().ends_with(host)) return false;
    return url.host().size() == host.size() || url.host()[url.host().size() - host.size() - 1] == '.';
}

bool is_excluded(std::string no_proxy, const Url& url) {
    std::ranges::transform(no_proxy, no_proxy.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; });
    for (std::string_view rest = no_proxy; !rest.empty();) {
        const std::size_t comma = rest.find(',');
        std::string_view entry = rest.substr(0, comma);
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        while (entry.starts_with(' '))
            entry.remove_prefix(1);
        while (entry.ends_with(' '))
            entry.remove_suffix(1);
        if (matches(entry, url)) return true;
    }
    return false;
}

}  // namespace

std::string proxy_for(const HttpClient::Options& options, const Url& url) {
    const std::string& proxy = url.scheme() == "https" ? options.https_proxy : options.http_proxy;
    return proxy.empty() || is_excluded(options.no_proxy, url) ? std::string() : proxy;
}

}  // namespace llmm
