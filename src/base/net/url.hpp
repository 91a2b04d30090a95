#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm {

// An absolute http or https URL, parsed once by the library that will also connect (libcurl), so that no second
// reading of the same text can disagree. Never holds user info; a fragment is cut off. In normal form: dot
// segments, the scheme's own port and an empty query are gone.
class Url {
  public:
    // nullopt: not absolute, another scheme, user info, anything but visible ASCII, a backslash, an IPv4 address in
    // octal, hex or short form, a host with escapes, empty labels or a zone, a bad port, longer than 8 KiB.
    static std::optional<Url> parse(std::string_view text);

    const std::string& str() const { return text_; }
    const std::string& scheme() const { return scheme_; }  // "http" or "https"
    const std::string& host() const { return host_; }      // lower case; an IPv6 address without brackets
    std::uint16_t port() const { return port_; }           // the scheme's own when the text has none
    const std::string& path() const { return path_; }      // percent-encoded as it was, at least "/"
    const std::string& query() const { return query_; }    // without "?"; empty when absent
    std::string origin() const;                            // "https://host" or "https://host:port"
    bool same_origin(const Url& other) const { return origin() == other.origin(); }

    // What a Location header means when seen at this URL; nullopt as for parse().
    std::optional<Url> resolve(std::string_view location) const;
    // The same URL with a path appended: each segment is percent-encoded, "/" between segments is kept.
    // URL_FORBIDDEN for a segment "." or ".." and for a result beyond the limit of parse().
    Url with_path(std::string_view unencoded_path) const;
    // With the parameter added to the query, percent-encoded; URL_FORBIDDEN beyond the limit of parse().
    Url with_query(std::string_view name, std::string_view value) const;
    // Scheme, host and path only: signed query strings don't belong in logs.
    std::string for_log() const;

    friend bool operator==(const Url& a, const Url& b) { return a.text_ == b.text_; }

  private:
    Url() = default;
    std::string text_, scheme_, host_, path_, query_;
    std::uint16_t port_ = 0;
};

// Percent-encodes everything but unreserved characters (RFC 3986 2.3).
std::string percent_encode(std::string_view text);
// nullopt on a broken escape or an encoded NUL.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace llmm
