#include "features/store/store_routes.hpp"

#include "features/store/store_json.hpp"
#include "features/tasks/task_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::store {

using http::Method, http::Permission, http::Request, http::Response, http::Router;

void StoreRoutes::add_to(Router& router) {
    const auto on = [this](auto member) { return Router::on(this, member); };
    router.add({Method::post, "/api/v1/models", Permission::write, "importModel", on(&StoreRoutes::import_path)});
    router.add({Method::get, "/api/v1/store", Permission::read, "getStore", on(&StoreRoutes::show)});
    router.add(
        {Method::post, "/api/v1/store/imports", Permission::write, "createImport", on(&StoreRoutes::start_import)});
    router.add(
        {Method::get, "/api/v1/store/imports/{id}", Permission::read, "getImport", on(&StoreRoutes::show_import)});
    router.add({Method::post, "/api/v1/store/links", Permission::write, "createLinks", on(&StoreRoutes::link)});
    router.add({Method::post, "/api/v1/store/gc", Permission::write, "collectGarbage", on(&StoreRoutes::collect)});
    router.add({Method::post, "/api/v1/store/verify", Permission::write, "verifyStore", on(&StoreRoutes::verify)});
}

Task<Response> StoreRoutes::begin(const Request& request, ImportRequest wish) {
    const auto [import, task] = co_await store_.start_import(std::move(wish));
    co_return http::accepted(request, to_json(import, task), "/api/v1/store/imports/" + import.id.str());
}

Task<Response> StoreRoutes::import_path(const Request& request) {
    return begin(request, parse_path_import_request(request.json()));
}

Task<Response> StoreRoutes::start_import(const Request& request) {
    return begin(request, parse_import_request(request.json()));
}

Task<Response> StoreRoutes::show_import(const Request& request) {
    const auto id = ImportId::parse(request.parameter("id"));
    if (!id) fail(ErrorCode::not_found, "there is no import {}", "导入 {} 不存在", request.parameter("id"));
    const auto [import, task] = co_await store_.get_import(*id);
    co_return http::ok_tagged(request, to_json(import, task));
}

Task<Response> StoreRoutes::link(const Request& request) {
    const LinkRequest wish = parse_link_request(request.json());
    co_return http::ok(request, to_json(co_await store_.link(wish.layout, wish.path, wish.model)));
}

Task<Response> StoreRoutes::collect(const Request& request) {
    const CollectRequest wish = parse_collect_request(request.json_or_empty_object());
    co_return http::ok(request,
                       to_json(co_await store_.collect(wish.dry_run, std::chrono::seconds(wish.min_age_seconds))));
}

Task<Response> StoreRoutes::verify(const Request& request) {
    const tasks::QueuedTask task = co_await store_.start_verification();
    co_return http::accepted(request, tasks::to_json(task), "/api/v1/tasks/" + task.id.str());
}

Task<Response> StoreRoutes::show(const Request& request) {
    co_return http::ok(request, to_json(co_await store_.facts()));
}

}  // namespace llmm::store
