#include "features/system/system_routes.hpp"

#include "features/system/system_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::system {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

Response plain(int status, json::value body) {
    Response response;
    response.status = status;
    response.headers = {{"Content-Type", "application/json; charset=utf-8"}, {"Cache-Control", "no-store"}};
    response.body = json::serialize(body);
    return response;
}

std::string metric_names() {
    std::string names;
    for (std::size_t i = 0; i < kMetricCount; ++i)
        names += (i == 0 ? "" : ", ") + std::string(name_of(static_cast<Metric>(i)));
    return names;
}

constexpr std::string_view kArchitecture =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#else
    "unknown";
#endif

}  // namespace

void SystemRoutes::add_to(Router& router) {
    router.add(
        {Method::get, "/api/v1/system/info", Permission::read, "getSystemInfo", Router::on(this, &SystemRoutes::info)});
    router.add({Method::get, "/api/v1/system/resources", Permission::read, "getSystemResources",
                Router::on(this, &SystemRoutes::resources)});
    router.add({Method::get, "/api/v1/system/resources/history", Permission::read, "getSystemResourcesHistory",
                Router::on(this, &SystemRoutes::history)});
    router.add({Method::get, "/api/v1/system/gpus", Permission::read, "listSystemGpus",
                Router::on(this, &SystemRoutes::gpus)});
    router.add({Method::get, "/healthz", Permission::open, "getHealth", Router::on(this, &SystemRoutes::health)});
    router.add({Method::get, "/readyz", Permission::open, "getReadiness", Router::on(this, &SystemRoutes::readiness)});
}

Task<Response> SystemRoutes::info(const Request& request) {
    co_return http::ok(request,
                       json::object{{"version", LLMM_VERSION},
                                    {"api_version", "v1"},
                                    {"os", service_.operating_system()},
                                    {"arch", kArchitecture},
                                    {"database", {{"kind", database_.kind}, {"version", or_null(database_.version)}}},
                                    {"uptime_seconds", service_.uptime_seconds()}});
}

Task<Response> SystemRoutes::resources(const Request& request) {
    const Resources now = co_await service_.resources();
    const auto engines = co_await service_.engines();
    co_return http::ok(request, to_json(now, engines, service_.uptime_seconds()));
}

Task<Response> SystemRoutes::history(const Request& request) {
    http::QueryReader in(request);
    const auto metric = parse_metric(in.required_text("metric", 64));
    if (!metric) {
        in.add_problem("metric", {"is none of the possible values", "不是可用的值"}, {metric_names(), metric_names()});
    }
    const std::chrono::minutes span(in.integer("minutes", 1, History::kMostMinutes).value_or(60));
    in.finish();
    co_return http::ok(request, to_json(*metric, service_.history(*metric, span)));
}

Task<Response> SystemRoutes::gpus(const Request& request) {
    json::array items;
    for (const hardware::Gpu& gpu : co_await service_.gpus())
        items.push_back(to_json(gpu));
    co_return http::ok(request, http::list_json(std::move(items), std::nullopt));
}

Task<Response> SystemRoutes::health(const Request&) {
    co_return plain(200, json::object{{"status", "ok"}});
}

Task<Response> SystemRoutes::readiness(const Request&) {
    bool ready = true;
    json::array checks;
    for (const Check& check : co_await service_.readiness()) {
        ready = ready && check.ok;
        checks.push_back(to_json(check));
    }
    Response response = plain(ready ? 200 : 503, json::object{{"ready", ready}, {"checks", std::move(checks)}});
    if (!ready) response.headers.push_back({"Retry-After", "5"});
    co_return response;
}

}  // namespace llmm::system
