#include "features/usage/usage_routes.hpp"

#include "features/usage/usage_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace llmm::usage {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

void read_groupings(http::QueryReader& in, UsageQuery& query) {
    const std::string text = in.text("group_by", 64).value_or("day,model");
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        const auto grouping = parse_grouping(std::string_view(text).substr(start, end - start));
        start = end + 1;
        if (!grouping || std::ranges::find(query.group_by, *grouping) != query.group_by.end()) {
            return in.add_problem("group_by", {"names no grouping, or one twice", "分组无效或重复"},
                                  {"day, model, caller, deployment, dialect, separated by commas",
                                   "day、model、caller、deployment、dialect，以逗号分隔"});
        }
        query.group_by.push_back(*grouping);
    }
}

std::optional<TimePoint> read_time(http::QueryReader& in, std::string_view name) {
    const auto text = in.text(name, 40);
    if (!text) return std::nullopt;
    const bool is_day = text->size() == 10;
    const auto time = parse_rfc3339(is_day ? *text + "T00:00:00Z" : *text);
    if (!time)
        in.add_problem(name, {"is no time", "不是有效的时间"}, {"2026-01-31 or RFC 3339", "2026-01-31 或 RFC 3339"});
    return time;
}

}  // namespace

void UsageRoutes::add_to(Router& router) {
    router.add({Method::get, "/api/v1/usage", Permission::read, "getUsage", Router::on(this, &UsageRoutes::show)});
}

Task<Response> UsageRoutes::show(const Request& request) {
    http::QueryReader in(request);
    UsageQuery query;
    read_groupings(in, query);
    query.from = read_time(in, "from");
    query.to = read_time(in, "to");
    query.model = in.text("model").value_or("");
    query.caller = in.text("caller").value_or("");
    query.deployment = in.text("deployment").value_or("");
    const bool as_csv = in.choice("format", {"json", "csv"}) == "csv";
    in.finish();
    co_await recorder_.flush();
    const auto sums = co_await store_.sum(query);
    if (as_csv) {
        Response response;
        response.headers = {{"Content-Type", "text/csv; charset=utf-8"},
                            {"Content-Disposition", "attachment; filename=\"usage.csv\""}};
        response.body = to_csv(sums, query.group_by);
        co_return response;
    }
    json::array items;
    for (const UsageSum& sum : sums)
        items.push_back(to_json(sum, query.group_by));
    co_return http::ok(request, json::object{{"items", std::move(items)}});
}

}  // namespace llmm::usage
