#include "base/net/url.hpp"
#include "fuzz/fuzz_target.hpp"

using llmm::Url;
using llmm::fuzz::check;

namespace {

void check_url(const Url& url) {
    check(url.scheme() == "http" || url.scheme() == "https", "only http and https");
    check(url.port() != 0, "has a port");
    check(url.path().starts_with('/'), "has a path");
    check(!url.host().empty(), "has a host");
    check(url.host().find_first_of("@%/?#\\ ") == std::string::npos, "a host and nothing else");
    check(url.str().find('#') == std::string::npos, "no fragment");
    const auto again = Url::parse(url.str());
    check(again.has_value(), "its text parses");
    check(*again == url && again->host() == url.host() && again->port() == url.port() && again->path() == url.path() &&
              again->query() == url.query() && again->scheme() == url.scheme(),
          "its text means itself");
}

}  // namespace

// The first line is a URL, the rest a Location header seen at it.
LLMM_FUZZ_TARGET(url)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    const std::size_t line = text.find('\n');
    const std::string_view first = text.substr(0, line);
    const std::string_view location = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);

    const auto url = Url::parse(first);
    if (url) check_url(*url);
    const Url base = url ? *url : *Url::parse("https://base.example/a/b?c=d");
    if (const auto target = base.resolve(location)) {
        check_url(*target);
        const bool names_a_host = location.starts_with("//") || location.contains(':');
        check(names_a_host || target->same_origin(base), "a relative location stays at its origin");
    }
    const auto decoded = llmm::percent_decode(llmm::percent_encode(text));
    check(text.contains('\0') ? !decoded : decoded == text, "encoding is undone by decoding");
}
