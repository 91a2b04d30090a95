#include "features/system/system_routes.hpp"

#include "http/envelope.hpp"

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
    json::array disks;
    for (const Disk& disk : now.disks) {
        disks.push_back(json::object{{"path", disk.mount_point},
                                     {"total", disk.total},
                                     {"free", disk.free},
                                     {"data_directory", disk.has_data_directory}});
    }
    co_return http::ok(
        request,
        json::object{
            {"cpu",
             {{"cores", now.cores}, {"usage_percent", or_null(now.cpu_percent)}, {"load_1m", or_null(now.load_1m)}}},
            {"memory",
             {{"total", now.memory_total},
              {"available", now.memory_available},
              {"used", now.memory_total - now.memory_available}}},
            {"process",
             {{"rss", or_null(now.process_rss)},
              {"open_files", or_null(now.open_files)},
              {"threads", or_null(now.threads)},
              {"uptime_seconds", service_.uptime_seconds()}}},
            {"disks", std::move(disks)},
            {"gpus", json::array{}}});
}

Task<Response> SystemRoutes::health(const Request&) {
    co_return plain(200, json::object{{"status", "ok"}});
}

Task<Response> SystemRoutes::readiness(const Request&) {
    bool ready = true;
    json::array checks;
    for (const Check& check : co_await service_.readiness()) {
        ready = ready && check.ok;
        checks.push_back(json::object{{"name", check.name}, {"ok", check.ok}, {"reason", or_null(check.reason)}});
    }
    Response response = plain(ready ? 200 : 503, json::object{{"ready", ready}, {"checks", std::move(checks)}});
    if (!ready) response.headers.push_back({"Retry-After", "5"});
    co_return response;
}

}  // namespace llmm::system
