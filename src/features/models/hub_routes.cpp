#include "features/models/hub_routes.hpp"

#include "features/models/hub_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::models {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

Source source_of(http::QueryReader& in) {
    const auto source = in.choice("source", {"huggingface", "demo"});
    return source ? parse_source(*source).value() : Source::huggingface;
}

hubs::SortOrder sort_of(const std::optional<std::string>& sort) {
    if (sort == "likes") return hubs::SortOrder::likes;
    if (sort == "updated") return hubs::SortOrder::updated;
    if (sort == "trending") return hubs::SortOrder::trending;
    return hubs::SortOrder::downloads;
}

}  // namespace

void HubRoutes::add_to(Router& router) {
    router.add(
        {Method::get, "/api/v1/hub/models", Permission::read, "listHubModels", Router::on(this, &HubRoutes::search)});
    router.add(
        {Method::get, "/api/v1/hub/models/info", Permission::read, "getHubModel", Router::on(this, &HubRoutes::show)});
    router.add({Method::get, "/api/v1/hub/categories", Permission::read, "listHubCategories",
                Router::on(this, &HubRoutes::categories)});
}

Task<Response> HubRoutes::search(const Request& request) {
    http::QueryReader in(request);
    const Source source = source_of(in);
    hubs::SearchQuery query;
    query.text = in.text("q", 200).value_or("");
    query.category = in.text("category", 100).value_or("");
    query.format = in.choice("format", {"gguf", "safetensors"}).value_or("");
    query.sort = sort_of(in.choice("sort", {"downloads", "likes", "updated", "trending"}));
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const hubs::SearchPage page = co_await hubs_.search(source, std::move(query));
    json::array items;
    for (const hubs::ModelSummary& model : page.models)
        items.push_back(to_json(source, model));
    const auto next = page.next_cursor.empty() ? std::nullopt : std::optional(page.next_cursor);
    const auto age = std::max<std::int64_t>(0, (to_epoch_ms(now()) - to_epoch_ms(page.fetched_at)) / 1000);
    co_return http::ok_tagged(request, http::list_json(std::move(items), next),
                              json::object{{"cached", age > 0}, {"cache_age_seconds", age}});
}

Task<Response> HubRoutes::show(const Request& request) {
    http::QueryReader in(request);
    const std::string ref = in.required_text("ref", 2048);
    in.finish();
    co_return http::ok_tagged(request, to_json(co_await hubs_.resolve(parse_model_ref(ref)), memory_bytes_));
}

Task<Response> HubRoutes::categories(const Request& request) {
    http::QueryReader in(request);
    const Source source = source_of(in);
    in.limit();
    in.cursor();
    in.finish();
    json::array items;
    for (const hubs::Category& category : co_await hubs_.categories(source))
        items.push_back(to_json(category));
    co_return http::ok(request, http::list_json(std::move(items), std::nullopt));
}

}  // namespace llmm::models
