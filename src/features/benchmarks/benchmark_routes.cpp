#include "features/benchmarks/benchmark_routes.hpp"

#include "features/benchmarks/benchmark_json.hpp"
#include "features/tasks/task_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::benchmarks {
namespace {

namespace json = boost::json;

BenchmarkId id_of(const http::Request& request) {
    const std::string& text = request.parameter("id");
    auto id = BenchmarkId::parse(text);
    if (!id) fail(ErrorCode::not_found, "there is no benchmark {}", "基准测试 {} 不存在", text);
    return std::move(*id);
}

}  // namespace

void BenchmarkRoutes::add_to(http::Router& router) {
    using enum http::Method;
    using http::Permission, http::Router;
    const std::string all = "/api/v1/benchmarks", one = all + "/{id}";
    router.add({post, "/api/v1/deployments/{id}/benchmark", Permission::write, "benchmarkDeployment",
                Router::on(this, &BenchmarkRoutes::begin)});
    router.add({get, all, Permission::read, "listBenchmarks", Router::on(this, &BenchmarkRoutes::list)});
    router.add({get, one, Permission::read, "getBenchmark", Router::on(this, &BenchmarkRoutes::show)});
    router.add({del, one, Permission::write, "deleteBenchmark", Router::on(this, &BenchmarkRoutes::remove)});
}

// Answers the task; its subject is the benchmark.
Task<http::Response> BenchmarkRoutes::begin(const http::Request& request) {
    const auto task = co_await benchmarks_.begin(request.parameter("id"), parse_plan(request.json_or_empty_object()));
    co_return http::accepted(request, tasks::to_json(task), "/api/v1/tasks/" + task.id.str());
}

Task<http::Response> BenchmarkRoutes::list(const http::Request& request) {
    http::QueryReader in(request);
    BenchmarkQuery query;
    if (const auto deployment = in.text("deployment_id")) {
        query.deployment_id = DeploymentId::parse(*deployment);
        if (!query.deployment_id) in.add_problem("deployment_id", {"is no id", "不是有效的 id"}, {"a UUID", "UUID"});
    }
    query.sort = in.choice("sort", {"created_at", "-created_at"}).value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const auto page = co_await benchmarks_.list(std::move(query));
    json::array items;
    for (const Benchmark& benchmark : page.items)
        items.push_back(to_json(benchmark));
    co_return http::ok(request, http::list_json(std::move(items), page.next_cursor));
}

Task<http::Response> BenchmarkRoutes::show(const http::Request& request) {
    http::QueryReader(request).finish();
    co_return http::ok_tagged(request, to_json(co_await benchmarks_.get(id_of(request))));
}

Task<http::Response> BenchmarkRoutes::remove(const http::Request& request) {
    const BenchmarkId id = id_of(request);
    co_await benchmarks_.remove(id);
    co_return http::ok(request, json::object{{"id", id.str()}});
}

}  // namespace llmm::benchmarks
