#include "features/downloads/download_routes.hpp"

#include "features/models/model_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::downloads {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

DownloadId id_of(const Request& request) {
    const auto id = DownloadId::parse(request.parameter("id"));
    if (!id) fail(ErrorCode::download_not_found, "there is no download {}", "下载 {} 不存在", request.parameter("id"));
    return *id;
}

std::string location_of(const Download& download) {
    return "/api/v1/downloads/" + download.id.str();
}

}  // namespace

void DownloadRoutes::add_to(Router& router) {
    const auto on = [this](auto member) { return Router::on(this, member); };
    const std::string base = "/api/v1/downloads", one = base + "/{id}";
    router.add({Method::post, base, Permission::write, "createDownload", on(&DownloadRoutes::start)});
    router.add({Method::get, base, Permission::read, "listDownloads", on(&DownloadRoutes::list)});
    router.add({Method::get, one, Permission::read, "getDownload", on(&DownloadRoutes::show)});
    router.add({Method::patch, one, Permission::write, "updateDownload", on(&DownloadRoutes::update)});
    router.add({Method::del, one, Permission::write, "deleteDownload", on(&DownloadRoutes::remove)});
    router.add({Method::post, one + "/pause", Permission::write, "pauseDownload", on(&DownloadRoutes::pause)});
    router.add({Method::post, one + "/resume", Permission::write, "resumeDownload", on(&DownloadRoutes::resume)});
    router.add({Method::post, one + "/cancel", Permission::write, "cancelDownload", on(&DownloadRoutes::cancel)});
    router.add({Method::post, one + "/retry", Permission::write, "retryDownload", on(&DownloadRoutes::retry)});
}

Task<Response> DownloadRoutes::start(const Request& request) {
    const Started started = co_await downloads_.start(parse_download_request(request.json()));
    if (started.ready) co_return http::ok(request, models::to_json(*started.ready));
    if (!started.is_new) co_return http::ok(request, to_json(*started.download));
    co_return http::accepted(request, to_json(*started.download), location_of(*started.download));
}

Task<Response> DownloadRoutes::list(const Request& request) {
    http::QueryReader in(request);
    DownloadQuery query;
    if (const auto status =
            in.choice("status", {"pending", "downloading", "paused", "completed", "failed", "cancelled"})) {
        query.status = parse_status(*status);
    }
    query.sort = in.text("sort", 32).value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const auto page = co_await downloads_.list(std::move(query));
    json::array items;
    for (const Download& download : page.items)
        items.push_back(to_json(download));
    json::value answer = http::list_json(std::move(items), page.next_cursor);
    answer.as_object()["speed_limit"] = to_json(downloads_.overall_limit());
    co_return http::ok(request, std::move(answer));
}

Task<Response> DownloadRoutes::show(const Request& request) {
    co_return http::ok_tagged(request, to_json(co_await downloads_.show(id_of(request))));
}

Task<Response> DownloadRoutes::update(const Request& request) {
    const DownloadId id = id_of(request);
    co_return http::ok_tagged(request, to_json(co_await downloads_.update(id, parse_download_changes(request.json()))));
}

Task<Response> DownloadRoutes::remove(const Request& request) {
    const DownloadId id = id_of(request);
    co_await downloads_.remove(id);
    co_return http::ok(request, json::object{{"id", id.str()}});
}

Task<Response> DownloadRoutes::pause(const Request& request) {
    co_return http::ok_tagged(request, to_json((co_await downloads_.pause(id_of(request))).first));
}

Task<Response> DownloadRoutes::cancel(const Request& request) {
    co_return http::ok_tagged(request, to_json((co_await downloads_.cancel(id_of(request))).first));
}

Task<Response> DownloadRoutes::resume(const Request& request) {
    return begin(request, &DownloadService::resume);
}
Task<Response> DownloadRoutes::retry(const Request& request) {
    return begin(request, &DownloadService::retry);
}

// 202 when work begins now, 200 when it was under way already.
Task<Response> DownloadRoutes::begin(const Request& request, Action action) {
    const auto [download, changed] = co_await (downloads_.*action)(id_of(request));
    if (!changed) co_return http::ok_tagged(request, to_json(download));
    co_return http::accepted(request, to_json(download), location_of(download));
}

}  // namespace llmm::downloads
