#include "http/middleware.hpp"

#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "base/log/log.hpp"

#include <algorithm>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace llmm::http {
namespace {

// "name", "name:80", "[::1]:80" without the port; lower case.
std::string host_name(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        host = end == std::string_view::npos ? std::string_view{} : host.substr(1, end - 1);
    } else {
        host = host.substr(0, host.rfind(':'));
    }
    std::string name(host);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name;
}

std::string this_machine() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return host_name(name);
}

bool is_address(const std::string& host) {
    boost::system::error_code error;
    boost::asio::ip::make_address(host, error);
    return !error;
}

std::string_view bearer_token(const Request& request) {
    constexpr std::string_view kBearer = "Bearer ";
    if (const auto authorization = request.header("Authorization")) {
        return authorization->starts_with(kBearer) ? authorization->substr(kBearer.size()) : *authorization;
    }
    if (const auto key = request.header("X-API-Key")) return *key;
    // Browsers can't set headers on a WebSocket: the token travels as a second subprotocol.
    constexpr std::string_view kProtocol = "bearer.";
    if (const auto protocols = request.header("Sec-WebSocket-Protocol")) {
        const auto start = protocols->find(kProtocol);
        if (start != std::string_view::npos) {
            const auto token = protocols->substr(start + kProtocol.size());
            return token.substr(0, token.find_first_of(", "));
        }
    }
    return {};
}

}  // namespace

Middleware::Middleware(MiddlewareConfig config, const Authenticator& authenticator, RequestObserver* observer)
    : config_(std::move(config)), machine_name_(this_machine()), authenticator_(authenticator), observer_(observer) {}

std::string Middleware::request_id(const Request& request) {
    const auto sent = request.header("X-Request-Id");
    const bool harmless = sent && !sent->empty() && sent->size() <= 64 &&
                          std::all_of(sent->begin(), sent->end(),
                                      [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
    return harmless ? std::string(*sent) : make_uuid_v7();
}

// A page of an attacker can give its own name the address of this machine (DNS rebinding) and then read answers as
// its own origin. Its name in the Host header gives it away; a plain address can't be rebound.
void Middleware::check_host(const Request& request) const {
    const std::string host = host_name(request.header("Host").value_or(""));
    const bool known =
        host == "localhost" || host.ends_with(".localhost") || host == machine_name_ || is_address(host) ||
        std::find(config_.allowed_hosts.begin(), config_.allowed_hosts.end(), host) != config_.allowed_hosts.end();
    if (!known) {
        throw Error(ErrorCode::host_forbidden,
                    Text::format("this service does not answer to the name \"{}\"; an operator can add it to "
                                 "server.allowed_hosts",
                                 "本服务不接受主机名“{}”；管理员可将其加入 server.allowed_hosts", host));
    }
}

bool Middleware::is_allowed_origin(std::string_view origin) const {
    return std::find(config_.cors_origins.begin(), config_.cors_origins.end(), origin) != config_.cors_origins.end();
}

void Middleware::check_origin(const Request& request, const Route* route) const {
    const auto origin = request.header("Origin");
    if (!origin || is_allowed_origin(*origin)) return;
    const bool reads = request.method == Method::get || request.method == Method::head;
    if (reads && !(route && route->socket_handler)) return;  // without CORS headers the page can't see the answer
    const auto scheme_end = origin->find("://");
    const bool same =
        scheme_end != std::string_view::npos && origin->substr(scheme_end + 3) == request.header("Host").value_or("");
    if (!same) {
        throw Error(ErrorCode::forbidden,
                    Text{"pages of this origin may not call the service; an operator can add it to server.cors_origins",
                         "该来源的页面不允许调用本服务；管理员可将其加入 server.cors_origins"});
    }
}

void Middleware::admit(Request& request, const Route* route) const {
    check_host(request);
    check_origin(request, route);
    if (!route) return;
    const std::string_view token = bearer_token(request);
    request.principal = authenticator_.authenticate(token);
    if (route->permission == Permission::open) return;
    if (!request.principal) {
        throw Error(ErrorCode::unauthenticated,
                    token.empty() ? Text{"send an API key: Authorization: Bearer <key> or X-API-Key: <key>",
                                         "请提供 API 密钥：Authorization: Bearer <key> 或 X-API-Key: <key>"}
                                  : Text{"the API key is not valid", "API 密钥无效"});
    }
    if (!authenticator_.permits(*request.principal, route->permission)) {
        throw Error(ErrorCode::forbidden,
                    Text::format("this needs the permission \"{}\"", "需要权限“{}”", name_of(route->permission)));
    }
}

Response Middleware::answer_options(const Request& request, const Router::Match& match) const {
    std::string methods = "OPTIONS";
    for (const Method method : match.allowed)
        methods += fmt::format(", {}", name_of(method));
    Response response;
    response.status = 204;
    response.headers.push_back({"Allow", methods});
    const auto origin = request.header("Origin");
    if (origin && is_allowed_origin(*origin)) {
        response.headers.push_back({"Access-Control-Allow-Methods", methods});
        response.headers.push_back(
            {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-API-Key, Last-Event-ID"});
        response.headers.push_back({"Access-Control-Max-Age", "600"});
    }
    return response;
}

void Middleware::decorate(const Request& request, Response& response) const {
    response.headers.push_back({"X-Request-Id", request.request_id});
    response.headers.push_back({"X-Content-Type-Options", "nosniff"});
    const auto origin = request.header("Origin");
    if (origin && is_allowed_origin(*origin)) {
        response.headers.push_back({"Access-Control-Allow-Origin", std::string(*origin)});
        response.headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, ETag, Location, Retry-After"});
        response.headers.push_back({"Vary", "Origin"});
    }
}

void Middleware::log_access(const Request& request, int status, std::uint64_t bytes, double milliseconds) const {
    if (observer_) observer_->finished(request, status, bytes, milliseconds);
    // Without the query: it may hold what nobody wants in a log.
    log::info_in_time("request", {{"method", name_of(request.method)},
                                  {"path", request.path},
                                  {"status", status},
                                  {"bytes", bytes},
                                  {"ms", milliseconds},
                                  {"remote", request.remote},
                                  {"caller", request.principal ? std::string_view(request.principal->name) : "-"},
                                  {"request_id", request.request_id}});
}

}  // namespace llmm::http
