#include "base/net/url.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <memory>

#include <curl/curl.h>

namespace llmm {
namespace {

constexpr std::size_t kMaxBytes = 8 * 1024;
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 2.3.4 as text
constexpr std::size_t kMaxLabelBytes = 63;

struct CurlUrlDeleter {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
};
using CurlUrl = std::unique_ptr<CURLU, CurlUrlDeleter>;

std::optional<std::string> part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(handle, which, &text, flags) != CURLUE_OK) return std::nullopt;
    const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
    return std::string(text);
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
}
bool is_unreserved(char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

// Visible ASCII only. The backslash is left out too: browsers read it as "/", curl does not.
bool has_only_plain_characters(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '\\'; });
}

// RFC 3986 3.1, up to the colon; empty when there is none.
std::string_view scheme_of(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || !is_alpha(text[0])) return {};
    const std::string_view scheme = text.substr(0, colon);
    const bool valid = std::ranges::all_of(
        scheme, [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
    return valid ? scheme : std::string_view();
}

// The canonical text of an address, or nothing when it is none.
std::optional<std::string> canonical_address(int family, const std::string& text) {
    unsigned char binary[sizeof(in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    if (inet_pton(family, text.c_str(), binary) != 1) return std::nullopt;
    return std::string(inet_ntop(family, binary, canonical, sizeof canonical));
}

// As a resolver that knows the old inet_aton forms would see it: the last label is a decimal or 0x number.
bool ends_in_number(std::string_view host) {
    const std::size_t dot = host.rfind('.');
    const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
    if (last.starts_with("0x")) {
        return std::ranges::all_of(last.substr(2), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
    }
    return std::ranges::all_of(last, is_digit);
}

bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > kMaxHostBytes) return false;
    for (std::string_view rest = host;;) {
        const std::size_t dot = rest.find('.');
        const std::string_view label = rest.substr(0, dot);
        if (label.empty() || label.size() > kMaxLabelBytes || label.front() == '-' || label.back() == '-') return false;
        for (const char c : label) {
            if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_') return false;
        }
        if (dot == std::string_view::npos) return true;
        rest.remove_prefix(dot + 1);
    }
}

// What stands between "://" and the path, as written. Only to refuse spellings that the parser would silently
// repair.
bool has_strict_authority(std::string_view text) {
    text.remove_prefix(text.find("://") + 3);
    const std::string authority = lowered(text.substr(0, text.find_first_of("/?#")));
    if (authority.find_first_of("@%") != std::string::npos || authority.ends_with(':')) return false;
    if (authority.starts_with('[')) return true;
    const std::string host = authority.substr(0, authority.find(':'));
    return is_host_name(host) && (!ends_in_number(host) || canonical_address(AF_INET, host) == host);
}

bool has_dot_segment(std::string_view path) {
    for (;;) {
        const std::size_t slash = path.find('/');
        const std::string_view segment = path.substr(0, slash);
        if (segment == "." || segment == "..") return true;
        if (slash == std::string_view::npos) return false;
        path.remove_prefix(slash + 1);
    }
}

Url parse_own(const std::string& text) {
    if (auto url = Url::parse(text)) return *std::move(url);
    fail(ErrorCode::url_forbidden, "The address is not usable", "该地址不可用");
}

}  // namespace

std::optional<Url> Url::parse(std::string_view text) {
    if (text.size() > kMaxBytes || !has_only_plain_characters(text)) return std::nullopt;
    Url url;
    url.scheme_ = lowered(scheme_of(text));
    if (url.scheme_ != "http" && url.scheme_ != "https") return std::nullopt;
    // Exactly two slashes: curl also takes one or three.
    const std::string_view rest = text.substr(url.scheme_.size());
    if (!rest.starts_with("://") || rest.substr(3).starts_with('/') || !has_strict_authority(text)) return std::nullopt;

    const CurlUrl handle(curl_url());
    if (curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
        return std::nullopt;
    }
    auto host = part(handle.get(), CURLUPART_HOST);
    const auto port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
    auto path = part(handle.get(), CURLUPART_PATH);
    if (!host || !port || !path) return std::nullopt;

    if (host->starts_with('[') && host->ends_with(']')) {
        auto address = canonical_address(AF_INET6, host->substr(1, host->size() - 2));
        if (!address || part(handle.get(), CURLUPART_ZONEID)) return std::nullopt;
        url.host_ = *std::move(address);
    } else {
        url.host_ = lowered(*host);
    }
    const unsigned long number = std::stoul(*port);
    if (number == 0 || number > 65535) return std::nullopt;
    url.port_ = static_cast<std::uint16_t>(number);
    url.path_ = *std::move(path);
    url.query_ = part(handle.get(), CURLUPART_QUERY).value_or("");
    url.text_ = url.origin() + url.path_;
    if (!url.query_.empty()) url.text_ += "?" + url.query_;
    return url;
}

std::string Url::origin() const {
    std::string text = scheme_ + "://";
    text += host_.contains(':') ? "[" + host_ + "]" : host_;
    const std::uint16_t usual = scheme_ == "https" ? 443 : 80;
    if (port_ != usual) text += ":" + std::to_string(port_);
    return text;
}

std::optional<Url> Url::resolve(std::string_view location) const {
    if (location.size() > kMaxBytes || !has_only_plain_characters(location)) return std::nullopt;
    location = location.substr(0, location.find('#'));
    if (location.empty()) return *this;
    if (!scheme_of(location).empty()) return parse(location);
    // Not left to curl, which would give the repaired spelling of a host and hide the original one from
    // parse().
    if (location.starts_with("//")) return parse(scheme_ + ":" + std::string(location));

    const CurlUrl handle(curl_url());
    if (curl_url_set(handle.get(), CURLUPART_URL, text_.c_str(), 0) != CURLUE_OK ||
        curl_url_set(handle.get(), CURLUPART_URL, std::string(location).c_str(), 0) != CURLUE_OK) {
        return std::nullopt;
    }
    const auto text = part(handle.get(), CURLUPART_URL);
    if (!text) return std::nullopt;
    auto url = parse(*text);
    if (!url || !same_origin(*url)) return std::nullopt;
    return url;
}

Url Url::with_path(std::string_view unencoded_path) const {
    if (has_dot_segment(unencoded_path)) fail(ErrorCode::url_forbidden, "The address is not usable", "该地址不可用");
    std::string text = origin() + path_;
    if (text.ends_with('/')) text.pop_back();
    if (unencoded_path.starts_with('/')) unencoded_path.remove_prefix(1);
    for (;;) {
        const std::size_t slash = unencoded_path.find('/');
        text += "/" + percent_encode(unencoded_path.substr(0, slash));
        if (slash == std::string_view::npos) break;
        unencoded_path.remove_prefix(slash + 1);
    }
    if (!query_.empty()) text += "?" + query_;
    return parse_own(text);
}

Url Url::with_query(std::string_view name, std::string_view value) const {
    return parse_own(text_ + (query_.empty() ? "?" : "&") + percent_encode(name) + "=" + percent_encode(value));
}

std::string Url::for_log() const {
    return origin() + path_;
}

std::string percent_encode(std::string_view text) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c)) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += {'%', kHex[byte >> 4], kHex[byte & 0x0f]};
        }
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
    const auto nibble = [](char c) -> int {
        if (is_digit(c)) return c - '0';
        c = lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = nibble(text[i + 1]);
        const int low = nibble(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

}  // namespace llmm
