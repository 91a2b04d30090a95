#include "http/event_routes.hpp"

#include "base/async/race.hpp"
#include "base/error/error.hpp"
#include "http/query.hpp"

#include <limits>

namespace llmm::http {
namespace {

std::optional<std::uint64_t> since_of(QueryReader& in) {
    const auto since = in.integer("since", 0, std::numeric_limits<std::int64_t>::max());
    return since ? std::optional(static_cast<std::uint64_t>(*since)) : std::nullopt;
}

// Clients have nothing to say here; reading notices when they leave.
Task<> read_until_closed(WebSocket& socket) {
    while (co_await socket.receive()) {
    }
}

}  // namespace

void EventRoutes::add_to(Router& router) {
    router.add({Method::get,
                "/ws/v1/events",
                Permission::read,
                "watchEvents",
                {},
                Router::on_socket(this, &EventRoutes::watch_topics)});
    router.add({Method::get,
                "/ws/v1/downloads",
                Permission::read,
                "watchDownloads",
                {},
                Router::on_socket(this, &EventRoutes::watch_downloads)});
}

Task<> EventRoutes::watch_topics(const Request& request, WebSocket& socket) {
    QueryReader in(request);
    std::set<std::string> topics;
    std::string wanted = in.text("topics").value_or("");
    while (!wanted.empty()) {
        const auto comma = std::min(wanted.find(','), wanted.size());
        const std::string topic = wanted.substr(0, comma);
        wanted.erase(0, comma + 1);
        if (events_.has_topic(topic)) {
            topics.insert(topic);
        } else {
            in.add_problem("topics", Text::format("there is no topic \"{}\"", "没有主题“{}”", topic));
        }
    }
    const auto since = since_of(in);
    in.finish();
    if (topics.empty()) {
        for (std::string& name : events_.topics())
            topics.insert(std::move(name));
    }
    co_await watch(std::move(topics), since, socket);
}

Task<> EventRoutes::watch_downloads(const Request& request, WebSocket& socket) {
    QueryReader in(request);
    const auto since = since_of(in);
    in.finish();
    co_await watch({"downloads"}, since, socket);
}

Task<> EventRoutes::watch(std::set<std::string> topics, std::optional<std::uint64_t> since, WebSocket& socket) {
    const auto subscription = co_await events_.subscribe(std::move(topics), since);
    co_await race(forward(*subscription, socket), read_until_closed(socket));
}

Task<> EventRoutes::forward(EventBus::Subscription& subscription, WebSocket& socket) {
    while (const auto event = co_await subscription.next())
        co_await socket.send((*event)->text);
    throw Error(ErrorCode::overloaded,
                Text{"too slow to follow; connect again with since", "接收过慢，请带 since 重新连接"});
}

}  // namespace llmm::http
