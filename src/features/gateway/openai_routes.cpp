#include "features/gateway/openai_routes.hpp"

#include <boost/json.hpp>

namespace llmm::gateway {

namespace json = boost::json;
using http::Exchange, http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

struct Passed {
    Operation operation;
    std::string_view id;  // operationId in api/openapi.yaml
};

constexpr Passed kPassed[] = {
    {{Dialect::openai, "chat.completions", "/v1/chat/completions", true}, "openaiChat"},
    {{Dialect::openai, "completions", "/v1/completions", true}, "openaiComplete"},
    {{Dialect::openai, "embeddings", "/v1/embeddings", false}, "openaiEmbed"},
    {{Dialect::openai, "rerank", "/v1/rerank", false}, "openaiRerank"},
    {{Dialect::openai, "responses", "/v1/responses", false}, "openaiRespond"},
};

json::object model_json(const std::string& id, TimePoint created) {
    return {{"id", id}, {"object", "model"}, {"created", to_epoch_ms(created) / 1000}, {"owned_by", "llm-manager"}};
}

Response json_response(const json::value& value) {
    Response response;
    response.headers.push_back({"Content-Type", "application/json"});
    response.body = json::serialize(value);
    return response;
}

}  // namespace

void OpenAiRoutes::add_to(Router& router) {
    router.add({Method::get, "/v1/models", Permission::read, "openaiListModels",
                Router::on(this, &OpenAiRoutes::list_models)});
    router.add({Method::get, "/v1/models/{id}", Permission::read, "openaiGetModel",
                Router::on(this, &OpenAiRoutes::show_model)});
    for (const Passed& passed : kPassed) {
        http::Route route{
            Method::post, std::string(passed.operation.target), Permission::chat, std::string(passed.id), {}};
        route.body_limit = http::kLargeBody;
        route.exchange_handler = [this, &passed](Request& request, Exchange& exchange) {
            return gateway_.forward(passed.operation, request, exchange);
        };
        router.add(std::move(route));
    }
}

Task<Response> OpenAiRoutes::list_models(const Request&) {
    json::array data;
    for (const auto& deployment : co_await directory_.running())
        data.push_back(model_json(deployment.name, deployment.created_at));
    for (const auto& [alias, name] : co_await aliases_.all()) {
        if (const auto target = co_await find(alias)) data.push_back(model_json(alias, target->created_at));
    }
    co_return json_response(json::object{{"object", "list"}, {"data", std::move(data)}});
}

// nullptr for an alias of something that is gone.
Task<ModelDirectory::TargetPtr> OpenAiRoutes::find(std::string alias) {
    try {
        co_return co_await directory_.find(std::move(alias), false);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::model_not_found) throw;
    }
    co_return nullptr;
}

Task<Response> OpenAiRoutes::show_model(const Request& request) {
    const std::string& id = request.parameter("id");
    const auto target = co_await directory_.find(id, false);
    co_return json_response(model_json(id, target->created_at));
}

}  // namespace llmm::gateway
