#include "features/deployments/deployment_routes.hpp"

#include "base/async/signal.hpp"
#include "base/json/json.hpp"
#include "features/deployments/deployment_json.hpp"
#include "features/deployments/deployment_log.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {

using http::Method;
using http::Permission;
using http::Request;
using http::Response;
using http::Router;

namespace {

constexpr std::chrono::milliseconds kFollowInterval{200};
constexpr int kFollowsUntilPing = 75;  // 15 s: proxies close what is silent for long
constexpr std::int64_t kStandardTail = 200;
constexpr std::int64_t kLongestTail = 10'000;
constexpr int kSnapshotItems = 200;

std::string location(const Deployment& deployment) {
    return "/api/v1/deployments/" + deployment.id.str();
}

Response done_or_accepted(const Request& request, const std::pair<Deployment, bool>& result) {
    if (!result.second) return http::ok(request, to_json(result.first));
    return http::accepted(request, to_json(result.first), location(result.first));
}

DeploymentQuery parse_query(const Request& request) {
    http::QueryReader in(request);
    DeploymentQuery query;
    if (const auto status = in.choice("status", {"deploying", "running", "stopped", "failed"}))
        query.status = parse_status(*status);
    if (const auto id = in.text("model_id", 36)) {
        query.model_id = ModelId::parse(*id);
        if (!query.model_id) in.add_problem("model_id", {"is not an id", "不是有效的编号"}, {"a UUID", "UUID"});
    }
    query.sort = in.choice("sort", {"created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"})
                     .value_or("-created_at");
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    return query;
}

Task<> write_lines(http::BodyWriter& body, std::vector<std::string> lines) {
    std::string text;
    for (const std::string& line : lines)
        text += http::server_sent_event("log", "", json::serialize(log_line_json(line)));
    if (!text.empty()) co_await body.write(text);
}

// Until the client leaves: then write() throws, or the session cancels us.
Task<> follow(BlockingPool& files, std::filesystem::path path, std::size_t tail, http::BodyWriter& body) {
    LogFollower log(std::move(path));
    co_await write_lines(body, co_await files.run([&] { return log.begin(tail); }));
    for (int silent = 0;; ++silent) {
        co_await sleep_for(kFollowInterval);
        auto lines = co_await files.run([&] { return log.next(); });
        if (!lines.empty()) silent = 0;
        co_await write_lines(body, std::move(lines));
        if (silent % kFollowsUntilPing == kFollowsUntilPing - 1) co_await body.write(": ping\n\n");
    }
}

}  // namespace

void DeploymentRoutes::add_to(Router& router) {
    const auto add = [&](Method method, std::string path, Permission permission, std::string operation, auto member) {
        router.add({method, "/api/v1" + path, permission, std::move(operation), Router::on(this, member)});
    };
    add(Method::post, "/deployments", Permission::write, "createDeployment", &DeploymentRoutes::create);
    add(Method::get, "/deployments", Permission::read, "listDeployments", &DeploymentRoutes::list);
    add(Method::get, "/deployments/{id}", Permission::read, "getDeployment", &DeploymentRoutes::get);
    add(Method::patch, "/deployments/{id}", Permission::write, "updateDeployment", &DeploymentRoutes::update);
    add(Method::del, "/deployments/{id}", Permission::write, "deleteDeployment", &DeploymentRoutes::remove);
    add(Method::post, "/deployments/{id}/start", Permission::write, "startDeployment", &DeploymentRoutes::start);
    add(Method::post, "/deployments/{id}/stop", Permission::write, "stopDeployment", &DeploymentRoutes::stop);
    add(Method::post, "/deployments/{id}/restart", Permission::write, "restartDeployment", &DeploymentRoutes::restart);
    add(Method::get, "/deployments/{id}/events", Permission::read, "listDeploymentEvents", &DeploymentRoutes::events);
    add(Method::get, "/engines", Permission::read, "listEngines", &DeploymentRoutes::engines);
    router.add({.method = Method::get,
                .path = "/api/v1/deployments/{id}/logs",
                .permission = Permission::read,
                .operation = "getDeploymentLogs",
                .handler = Router::on(this, &DeploymentRoutes::logs),
                .cancel_when_client_leaves = true});
}

void DeploymentRoutes::add_topic(EventBus& events) {
    events.add_topic(std::string(kTopic), [this] { return snapshot(); });
}

Task<Response> DeploymentRoutes::create(const Request& request) {
    const Deployment deployment = co_await service_.create(parse_request(request.json()));
    co_return http::accepted(request, to_json(deployment), location(deployment));
}

Task<Response> DeploymentRoutes::list(const Request& request) {
    const auto page = co_await service_.list(parse_query(request));
    json::array items;
    for (const Deployment& deployment : page.items)
        items.push_back(to_json(deployment));
    co_return http::ok(request, http::list_json(std::move(items), page.next_cursor));
}

Task<Response> DeploymentRoutes::get(const Request& request) {
    co_return http::ok_tagged(request, to_json(co_await service_.get(request.parameter("id"))));
}

Task<Response> DeploymentRoutes::update(const Request& request) {
    const DeploymentChanges changes = parse_changes(request.json());
    co_return http::ok(request, to_json(co_await service_.update(request.parameter("id"), changes)));
}

Task<Response> DeploymentRoutes::remove(const Request& request) {
    const DeploymentId id = co_await service_.remove(request.parameter("id"));
    co_return http::ok(request, json::object{{"id", id.str()}});
}

Task<Response> DeploymentRoutes::start(const Request& request) {
    co_return done_or_accepted(request, co_await service_.start(request.parameter("id")));
}

Task<Response> DeploymentRoutes::stop(const Request& request) {
    co_return done_or_accepted(request, co_await service_.stop(request.parameter("id")));
}

Task<Response> DeploymentRoutes::restart(const Request& request) {
    const Deployment deployment = co_await service_.restart(request.parameter("id"));
    co_return http::accepted(request, to_json(deployment), location(deployment));
}

Task<Response> DeploymentRoutes::events(const Request& request) {
    http::QueryReader in(request);
    in.finish();
    json::array items;
    for (const DeploymentEvent& event : co_await service_.events(request.parameter("id")))
        items.push_back(to_json(event));
    co_return http::ok(request, http::list_json(std::move(items), std::nullopt));
}

Task<Response> DeploymentRoutes::logs(const Request& request) {
    http::QueryReader in(request);
    const auto tail = static_cast<std::size_t>(in.integer("tail", 0, kLongestTail).value_or(kStandardTail));
    const bool following = in.flag("follow");
    in.finish();
    const auto path = service_.log_path((co_await service_.get(request.parameter("id"))).id);
    if (!following)
        co_return http::ok(request, to_json(co_await files_.run([&] { return read_log_tail(path, tail); })));
    co_return http::event_stream(
        [&files = files_, path, tail](http::BodyWriter& body) { return follow(files, path, tail, body); });
}

Task<Response> DeploymentRoutes::engines(const Request& request) {
    http::QueryReader in(request);
    in.limit();
    in.cursor();
    in.finish();
    json::array items;
    for (const EngineInfo& engine : co_await service_.engines()) {
        items.push_back(to_json(engine, request.language == http::Language::zh));
    }
    co_return http::ok(request, http::list_json(std::move(items), std::nullopt));
}

Task<json::value> DeploymentRoutes::snapshot() {
    const auto page = co_await service_.list({.status = {}, .model_id = {}, .limit = kSnapshotItems, .cursor = {}});
    json::array items;
    for (const Deployment& deployment : page.items)
        items.push_back(to_json(deployment));
    co_return json::object{{"items", std::move(items)}};
}

}  // namespace llmm::deployments
