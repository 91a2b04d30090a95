#include "features/tasks/task_routes.hpp"

#include "features/tasks/task_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::tasks {

namespace json = boost::json;
using http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

TaskId id_of(const Request& request) {
    const auto id = TaskId::parse(request.parameter("id"));
    if (!id) fail(ErrorCode::task_not_found, "there is no task {}", "任务 {} 不存在", request.parameter("id"));
    return *id;
}

}  // namespace

void TaskRoutes::add_to(Router& router) {
    router.add({Method::get, "/api/v1/tasks", Permission::read, "listTasks", Router::on(this, &TaskRoutes::list)});
    router.add({Method::get, "/api/v1/tasks/{id}", Permission::read, "getTask", Router::on(this, &TaskRoutes::show)});
    router.add({Method::post, "/api/v1/tasks/{id}/cancel", Permission::write, "cancelTask",
                Router::on(this, &TaskRoutes::cancel)});
    router.add({Method::post, "/api/v1/tasks/{id}/retry", Permission::write, "retryTask",
                Router::on(this, &TaskRoutes::retry)});
}

Task<Response> TaskRoutes::list(const Request& request) {
    http::QueryReader in(request);
    TaskQuery query;
    if (const auto state = in.choice("state", {"queued", "running", "succeeded", "failed", "cancelled", "dead"})) {
        query.state = parse_state(*state);
    }
    query.kind = in.text("kind", 64).value_or("");
    query.sort = in.text("sort", 32).value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const auto page = co_await queue_.list(std::move(query));
    json::array items;
    for (const QueuedTask& task : page.items)
        items.push_back(to_json(task));
    co_return http::ok(request, http::list_json(std::move(items), page.next_cursor));
}

Task<Response> TaskRoutes::show(const Request& request) {
    co_return http::ok_tagged(request, to_json(co_await queue_.get(id_of(request))));
}

Task<Response> TaskRoutes::cancel(const Request& request) {
    co_return http::ok(request, to_json(co_await queue_.cancel(id_of(request))));
}

Task<Response> TaskRoutes::retry(const Request& request) {
    const TaskId id = id_of(request);
    const bool ended = (co_await queue_.get(id)).state > State::running;
    const json::object task = to_json(co_await queue_.retry(id));
    if (!ended) co_return http::ok(request, task);
    co_return http::accepted(request, task, "/api/v1/tasks/" + id.str());
}

}  // namespace llmm::tasks
