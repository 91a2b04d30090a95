#include "features/gateway/queue_routes.hpp"

#include "http/envelope.hpp"
#include "http/query.hpp"

#include <boost/json.hpp>

namespace llmm::gateway {

namespace json = boost::json;

void QueueRoutes::add_to(http::Router& router) {
    router.add({http::Method::get, "/api/v1/gateway/queues", http::Permission::read, "listQueues",
                http::Router::on(this, &QueueRoutes::list)});
}

Task<http::Response> QueueRoutes::list(const http::Request& request) {
    http::QueryReader(request).finish();
    json::array items;
    for (const auto& [id, door] : admissions_.all()) {
        items.push_back(json::object{{"deployment_id", id.str()},
                                     {"at_once", door->at_once()},
                                     {"in_flight", door->inside()},
                                     {"waiting", door->waiting()}});
    }
    co_return http::ok(request, json::object{{"items", std::move(items)}});
}

}  // namespace llmm::gateway
