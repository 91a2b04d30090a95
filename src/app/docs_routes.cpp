#include "app/docs_routes.hpp"

#include "base/crypto/digest.hpp"
#include "base/error/error.hpp"
#include "base/fs/embedded.hpp"
#include "base/fs/file.hpp"

#include <algorithm>

namespace llmm::app {

std::span<const EmbeddedFile> embedded_api();

using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

constexpr std::size_t kMaxFile = 16 << 20;

struct Asset {
    std::string_view name, type;
};
constexpr Asset kAssets[] = {{"index.html", "text/html; charset=utf-8"},
                             {"start.js", "application/javascript; charset=utf-8"},
                             {"swagger-ui.css", "text/css; charset=utf-8"},
                             {"swagger-ui-bundle.js", "application/javascript; charset=utf-8"}};

Response content(std::string_view type, std::string body) {
    Response response;
    response.headers = {{"Content-Type", std::string(type)}, {"Cache-Control", "no-cache"}};
    response.etag = "\"" + Sha256::of(body).hex().substr(0, 16) + "\"";
    response.body = std::move(body);
    return response;
}

}  // namespace

void DocsRoutes::add_to(Router& router) {
    router.add({Method::get, "/api/v1/openapi.json", Permission::open, "getOpenApi",
                Router::on(this, &DocsRoutes::description)});
    router.add({Method::get, "/docs", Permission::open, "getDocs", Router::on(this, &DocsRoutes::page)});
    router.add({Method::get, "/docs/{file}", Permission::open, "getDocsFile", Router::on(this, &DocsRoutes::asset)});
}

Task<Response> DocsRoutes::description(const Request&) {
    co_return content("application/json; charset=utf-8", std::string(embedded_api().front().content));
}

Task<Response> DocsRoutes::page(const Request&) {
    Response response = co_await file("index.html");
    response.headers.push_back(
        {"Content-Security-Policy",
         "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"});
    co_return response;
}

Task<Response> DocsRoutes::asset(const Request& request) {
    co_return co_await file(request.parameter("file"));
}

Task<Response> DocsRoutes::file(std::string name) {
    const auto known =
        std::find_if(std::begin(kAssets), std::end(kAssets), [&](const Asset& asset) { return asset.name == name; });
    const auto path = directory_ / name;
    const bool exists =
        known != std::end(kAssets) && co_await files_.run([&] { return std::filesystem::exists(path); });
    if (!exists) throw Error(ErrorCode::not_found, Text{"there is nothing at this path", "该路径不存在"});
    co_return content(known->type, co_await files_.run([&] { return read_text_file(path, kMaxFile); }));
}

}  // namespace llmm::app
