#include "features/models/hub_routes.hpp"

#include "features/models/hub_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::models {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

// nullopt: all of them.
std::optional<Source> source_of(http::QueryReader& in) {
    const auto source = in.choice("source", {"all", "huggingface", "modelscope", "ollama", "demo"});
    return source ? parse_source(*source) : std::nullopt;
}

// A parameter that may be left out and means nothing when it is empty.
std::string filled_text(http::QueryReader& in, std::string_view name, std::size_t max_length) {
    const auto text = in.text(name, max_length);
    if (text && text->empty()) {
        in.add_problem(name, Text{"is empty", "为空"}, Text{"leave it out to ask for all", "省略该参数表示全部"});
    }
    return text.value_or("");
}

std::int64_t age_of(TimePoint fetched_at) {
    return std::max<std::int64_t>(0, (to_epoch_ms(now()) - to_epoch_ms(fetched_at)) / 1000);
}

FoundPage found_in(Source source, hubs::SearchPage page) {
    FoundPage found;
    found.next_cursor = std::move(page.next_cursor);
    found.sources.push_back(
        {.source = source, .count = page.models.size(), .fetched_at = page.fetched_at, .message = {}, .code = {}});
    for (hubs::ModelSummary& model : page.models)
        found.models.push_back({source, std::move(model)});
    return found;
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
    const auto source = source_of(in);
    hubs::SearchQuery query;
    query.text = filled_text(in, "q", 200);
    query.category = filled_text(in, "category", 100);
    query.format = in.choice("format", {"gguf", "safetensors"}).value_or("");
    query.sort = sort_of(in.choice("sort", {"downloads", "likes", "updated", "trending"}));
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const FoundPage page = source ? found_in(*source, co_await hubs_.search(*source, std::move(query)))
                                  : co_await hubs_.search_all(std::move(query));
    json::array items, sources;
    for (const FoundModel& found : page.models)
        items.push_back(to_json(found.source, found.model));
    std::int64_t age = 0;
    for (const SourceReport& report : page.sources) {
        const auto own = report.fetched_at ? std::optional(age_of(*report.fetched_at)) : std::nullopt;
        age = std::max(age, own.value_or(0));
        sources.push_back(to_json(report, own, request.language == http::Language::zh));
    }
    const auto next = page.next_cursor.empty() ? std::nullopt : std::optional(page.next_cursor);
    co_return http::ok_tagged(
        request, http::list_json(std::move(items), next),
        json::object{{"cached", age > 0}, {"cache_age_seconds", age}, {"sources", std::move(sources)}});
}

Task<Response> HubRoutes::show(const Request& request) {
    http::QueryReader in(request);
    const std::string ref = in.required_text("ref", 2048);
    in.finish();
    const RemoteModel model = co_await hubs_.resolve(parse_model_ref(ref));
    co_return http::ok_tagged(request, to_json(model, co_await fit_(model)));
}

Task<Response> HubRoutes::categories(const Request& request) {
    http::QueryReader in(request);
    const auto source = source_of(in);
    in.limit();
    in.cursor();
    in.finish();
    json::array items;
    for (const hubs::Category& category : source ? co_await hubs_.categories(*source) : co_await hubs_.all_categories())
        items.push_back(to_json(category));
    co_return http::ok_tagged(request, http::list_json(std::move(items), std::nullopt));
}

}  // namespace llmm::models
