#pragma once
#include "base/async/task.hpp"
#include "http/exchange.hpp"
#include "http/request.hpp"
#include "http/response.hpp"
#include "http/web_socket.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::http {

using Handler = std::function<Task<Response>(const Request&)>;
using SocketHandler = std::function<Task<>(const Request&, WebSocket&)>;
using UpgradeCheck = std::function<Task<>(const Request&)>;

inline constexpr std::size_t kSmallBody = 1 << 20;   // most routes
inline constexpr std::size_t kLargeBody = 32 << 20;  // chat: long prompts

struct Route {
    Method method;
    std::string path;  // "/api/v1/models/{id}"
    Permission permission;
    std::string operation;  // operationId in api/openapi.yaml
    Handler handler;
    SocketHandler socket_handler = {};  // instead of handler: the route is a WebSocket
    std::size_t body_limit = kSmallBody;
    // Ends the handler as soon as the client closes the connection. Costs a read beside the work, so only for routes
    // that wait for something outside.
    bool cancel_when_client_leaves = false;
    // For a WebSocket whose path may name something that is not there: throws what is answered instead of the upgrade.
    UpgradeCheck before_upgrade = {};
    ExchangeHandler exchange_handler = {};  // instead of handler: writes the answer itself
};

// All routes of the program. Filled at start, constant afterwards.
class Router {
  public:
    // `on` binds member functions: router.add({Method::get, "/api/v1/models", Permission::read, "listModels",
    // Router::on(this, &ModelRoutes::list)}).
    template <class Object>
    static Handler on(Object* object, Task<Response> (Object::*member)(const Request&)) {
        return [object, member](const Request& request) { return (object->*member)(request); };
    }
    template <class Object>
    static SocketHandler on_socket(Object* object, Task<> (Object::*member)(const Request&, WebSocket&)) {
        return
            [object, member](const Request& request, WebSocket& socket) { return (object->*member)(request, socket); };
    }

    template <class Object>
    static UpgradeCheck on_upgrade(Object* object, Task<> (Object::*member)(const Request&)) {
        return [object, member](const Request& request) { return (object->*member)(request); };
    }

    template <class Object>
    static ExchangeHandler on_exchange(Object* object, Task<> (Object::*member)(Request&, Exchange&)) {
        return [object, member](Request& request, Exchange& exchange) { return (object->*member)(request, exchange); };
    }

    void add(Route route);

    struct Match {
        const Route* route = nullptr;  // nullptr: no such path, or not with this method
        std::vector<std::pair<std::string, std::string>> parameters;
        std::vector<Method> allowed;  // methods the path has, when the method is not among them
    };
    // HEAD finds GET routes.
    Match find(Method method, std::string_view path) const;
    const std::vector<Route>& routes() const { return routes_; }

  private:
    struct Pattern {
        std::vector<std::string> segments;  // "{name}" is a parameter
    };
    std::vector<Route> routes_;
    std::vector<Pattern> patterns_;
};

}  // namespace llmm::http
