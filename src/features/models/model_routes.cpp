#include "features/models/model_routes.hpp"

#include "features/models/model_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::models {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

ModelId id_of(const Request& request) {
    const auto id = ModelId::parse(request.parameter("id"));
    if (!id) fail(ErrorCode::model_not_found, "there is no model {}", "模型 {} 不存在", request.parameter("id"));
    return *id;
}

template <class T>
json::array to_array(const std::vector<T>& items) {
    json::array array;
    for (const T& item : items)
        array.push_back(to_json(item));
    return array;
}

}  // namespace

void ModelRoutes::add_to(Router& router) {
    router.add({Method::get, "/api/v1/models", Permission::read, "listModels", Router::on(this, &ModelRoutes::list)});
    router.add(
        {Method::get, "/api/v1/models/{id}", Permission::read, "getModel", Router::on(this, &ModelRoutes::show)});
    router.add({Method::patch, "/api/v1/models/{id}", Permission::write, "updateModel",
                Router::on(this, &ModelRoutes::update)});
    router.add(
        {Method::del, "/api/v1/models/{id}", Permission::write, "deleteModel", Router::on(this, &ModelRoutes::remove)});
    router.add({Method::get, "/api/v1/models/{id}/files", Permission::read, "listModelFiles",
                Router::on(this, &ModelRoutes::files)});
    router.add({Method::post, "/api/v1/models/{id}/verify", Permission::write, "verifyModel",
                Router::on(this, &ModelRoutes::verify)});
}

Task<Response> ModelRoutes::list(const Request& request) {
    http::QueryReader in(request);
    ModelQuery query;
    const auto text = in.text("q", 200);
    if (text && text->empty()) in.add_problem("q", Text{"is empty", "为空"});
    query.text = text.value_or("");
    if (const auto status = in.choice("status", {"remote", "downloading", "ready", "broken"}))
        query.status = parse_status(*status);
    if (const auto source =
            in.choice("source", {"huggingface", "ollama", "modelscope", "local", "url", "demo", "external"})) {
        query.source = parse_source(*source);
    }
    if (const auto format = in.choice("format", {"gguf", "safetensors"})) query.format = parse_format(*format);
    query.sort = in.text("sort", 32).value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const auto page = co_await models_.list(std::move(query));
    co_return http::ok_tagged(request, http::list_json(to_array(page.items), page.next_cursor));
}

Task<Response> ModelRoutes::show(const Request& request) {
    co_return http::ok_tagged(request, to_json(co_await models_.get(id_of(request))));
}

Task<Response> ModelRoutes::update(const Request& request) {
    const ModelId id = id_of(request);
    co_return http::ok_tagged(request, to_json(co_await models_.update(id, parse_model_changes(request.json()))));
}

Task<Response> ModelRoutes::remove(const Request& request) {
    const ModelId id = id_of(request);
    const std::int64_t freed = co_await models_.remove(id);
    co_return http::ok(request, json::object{{"id", id.str()}, {"freed_size", freed}});
}

Task<Response> ModelRoutes::files(const Request& request) {
    http::QueryReader in(request);
    const int limit = in.limit();
    std::string cursor = in.cursor();
    in.finish();
    const auto page = co_await models_.file_page(id_of(request), limit, std::move(cursor));
    co_return http::ok_tagged(request, http::list_json(to_array(page.items), page.next_cursor));
}

Task<Response> ModelRoutes::verify(const Request& request) {
    const ModelId id = id_of(request);
    co_await models_.get(id);
    const auto [task, location] = co_await start_verification_(id);
    co_return http::accepted(request, json::parse(task), location);
}

}  // namespace llmm::models
