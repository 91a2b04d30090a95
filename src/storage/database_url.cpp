#include "storage/database_url.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace llmm::storage {
namespace {

[[noreturn]] void refuse(std::string_view why_en, std::string_view why_zh) {
    fail(ErrorCode::validation_failed,
         "DATABASE_URL {}; use sqlite:///path/to/file.db or postgresql://user:password@host:port/name",
         "DATABASE_URL {}；请使用 sqlite:///path/to/file.db 或 postgresql://user:password@host:port/name",
         std::string(why_en), std::string(why_zh));
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0) refuse("has a broken percent-encoding", "的百分号编码有误");
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) refuse("contains a control character", "含有控制字符");
        out += c;
    }
    return out;
}

// Cuts `text` at the first `separator`: what is before it is returned, what is after it stays. Nothing when
// there is none.
std::optional<std::string_view> cut_before(std::string_view& text, char separator) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view before = text.substr(0, at);
    text.remove_prefix(at + 1);
    return before;
}

std::map<std::string, std::string, std::less<>> parse_parameters(std::string_view text) {
    static constexpr std::array<std::string_view, 4> kKnown{"host", "sslmode", "sslrootcert", "connect_timeout"};
    std::map<std::string, std::string, std::less<>> parameters;
    while (!text.empty()) {
        std::string_view pair = text;
        if (const auto before = cut_before(text, '&')) {
            pair = *before;
        } else {
            text = {};
        }
        const auto key = cut_before(pair, '=');
        if (!key || std::ranges::find(kKnown, *key) == kKnown.end()) refuse("has an unknown parameter", "含有未知参数");
        if (!parameters.emplace(*key, percent_decode(pair)).second) refuse("has a parameter twice", "含有重复参数");
    }
    return parameters;
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

std::string libpq_quoted(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

}  // namespace

DatabaseUrl DatabaseUrl::of_file(const std::filesystem::path& absolute_path) {
    const std::string path = absolute_path.string();
    // SOCI passes the file name inside a quoted connection string, in which a quote can't be escaped.
    if (!absolute_path.is_absolute() || !absolute_path.has_filename() || path.find('"') != std::string::npos) {
        refuse("needs an absolute path of a file, without double quotes", "需要不含双引号的绝对文件路径");
    }
    DatabaseUrl url;
    url.dialect_ = Dialect::sqlite;
    url.file_ = absolute_path;
    url.printable_ = "sqlite://" + path;
    return url;
}

DatabaseUrl DatabaseUrl::parse(std::string_view text) {
    constexpr std::string_view kSqlite = "sqlite://";
    constexpr std::string_view kPostgres = "postgresql://";
    if (text.starts_with(kSqlite)) {
        text.remove_prefix(kSqlite.size());
        if (text.find_first_of("?#") != std::string_view::npos)
            refuse("takes no parameters for SQLite", "的 SQLite 形式不接受参数");
        return of_file(percent_decode(text));
    }
    if (!text.starts_with(kPostgres)) refuse("has an unknown scheme", "的协议未知");
    text.remove_prefix(kPostgres.size());

    if (text.find('#') != std::string_view::npos) refuse("contains '#'; write it as %23", "含有“#”；请写作 %23");
    std::string_view query = text;
    const auto before_query = cut_before(query, '?');
    if (before_query) text = *before_query;
    auto parameters = parse_parameters(before_query ? query : std::string_view());

    std::string_view name = text;
    const auto authority_part = cut_before(name, '/');
    if (!authority_part || name.empty() || name.find('/') != std::string_view::npos) {
        refuse("needs the name of one database", "需要一个数据库名称");
    }
    std::string_view host = *authority_part;
    const auto login = cut_before(host, '@');
    if (!login || login->empty() || host.find('@') != std::string_view::npos) {
        refuse("needs a user before one '@' (write '@' in a password as %40)",
               "需要在唯一的“@”前写用户名（密码中的“@”请写作 %40）");
    }
    std::string_view password = *login;
    const auto user_part = cut_before(password, ':');
    const std::string user = percent_decode(user_part.value_or(*login));
    const std::string secret = user_part ? percent_decode(password) : std::string();

    std::string_view port;
    if (host.starts_with('[')) {
        const auto address = cut_before(host, ']');
        if (!address || (!host.empty() && !host.starts_with(':')))
            refuse("has a broken IPv6 address", "的 IPv6 地址有误");
        port = host.empty() ? host : host.substr(1);
        if (!host.empty() && !is_port(port)) refuse("has a bad port", "的端口有误");
        host = address->substr(1);
    } else if (std::string_view rest = host; const auto before = cut_before(rest, ':')) {
        host = *before;
        port = rest;
        if (!is_port(port)) refuse("has a bad port", "的端口有误");
    }
    if (!host.empty() && !parameters.emplace("host", percent_decode(host)).second)
        refuse("has two hosts", "含有两个主机");
    if (!parameters.contains("host")) refuse("needs a host", "需要主机");
    if (user.empty()) refuse("needs a user", "需要用户名");

    DatabaseUrl url;
    url.dialect_ = Dialect::postgresql;
    parameters.emplace("connect_timeout", "5");
    std::string connection = fmt::format("user={} dbname={}", libpq_quoted(user), libpq_quoted(percent_decode(name)));
    if (!port.empty()) connection += fmt::format(" port={}", port);
    if (!secret.empty()) connection += " password=" + libpq_quoted(secret);
    for (const auto& [key, value] : parameters)
        connection += fmt::format(" {}={}", key, libpq_quoted(value));
    // A peer that vanished is noticed in seconds, not in the two hours of the system's defaults.
    connection +=
        " application_name=llm-manager keepalives_idle=30 keepalives_interval=5 keepalives_count=3"
        " tcp_user_timeout=15000";
    url.connection_string_ = SecretString(std::move(connection));
    url.printable_ = fmt::format("postgresql://{}@{}{}{}/{}", user, parameters.at("host"), port.empty() ? "" : ":",
                                 port, percent_decode(name));
    return url;
}

}  // namespace llmm::storage
