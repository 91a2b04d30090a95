#include "features/gateway/anthropic_routes.hpp"

#include "features/gateway/anthropic_json.hpp"
#include "features/gateway/translated_answer.hpp"
#include "http/response.hpp"

#include <boost/json.hpp>

namespace llmm::gateway {

using http::Exchange, http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

constexpr Operation kMessages{Dialect::anthropic, "messages", "/v1/messages", false};
constexpr Operation kCountTokens{Dialect::anthropic, "count_tokens", "/v1/messages/count_tokens", false};

}  // namespace

void AnthropicRoutes::add_to(Router& router) {
    const auto add = [&](std::string_view path, std::string id,
                         Task<> (AnthropicRoutes::*handler)(Request&, Exchange&)) {
        http::Route route{Method::post, std::string(path), Permission::chat, std::move(id), {}};
        route.body_limit = http::kLargeBody;
        route.exchange_handler = Router::on_exchange(this, handler);
        router.add(std::move(route));
    };
    add(kMessages.target, "anthropicMessages", &AnthropicRoutes::messages);
    add(kCountTokens.target, "anthropicCountTokens", &AnthropicRoutes::count_tokens);
}

// Engines of ours do; of those that somebody else runs nobody knows.
Task<bool> AnthropicRoutes::speaks_it(Request& request) {
    const ScannedBody scanned = scan_body(request.body, allowed_fields("llama-server"));
    auto target = gateway_.directory().find_known(scanned.model);
    if (!target) target = co_await gateway_.directory().find(scanned.model, false);
    co_return target->engine == "llama-server";
}

Task<> AnthropicRoutes::messages(Request& request, Exchange& exchange) {
    bool native = true;
    try {
        native = co_await speaks_it(request);
    } catch (const Error&) {
        // forward() finds the same, and records it
    }
    if (native) co_return co_await gateway_.forward(kMessages, request, exchange);
    co_await translate(request, exchange);
}

Task<> AnthropicRoutes::count_tokens(Request& request, Exchange& exchange) {
    co_await gateway_.forward(kCountTokens, request, exchange);
}

struct AnthropicRoutes::Talk {
    Request& request;
    Exchange& exchange;
    RequestTicket ticket;
    Translated asked;
    std::optional<anthropic::EventWriter> writer;  // once it is known what is asked

    void begin() { exchange.begin(http::event_stream()); }
    Task<> tell(std::string text) {
        if (!asked.stream) co_return;
        if (!exchange.begun()) begin();
        co_await exchange.write(": " + text + "\n\n");
    }
};

Task<> AnthropicRoutes::translate(Request& request, Exchange& exchange) {
    Talk talk{.request = request,
              .exchange = exchange,
              .ticket = {gateway_.usage(), request, "anthropic", kMessages.name},
              .asked = {},
              .writer = {}};
    std::exception_ptr failure;
    try {
        co_await converse(talk);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const Error error = error_of(failure);
    talk.ticket.row.status = status_of(error, Dialect::anthropic);
    talk.ticket.row.error = name_of(error.code());
    if (!exchange.begun()) throw error;
    co_await exchange.finish("event: error\ndata: " + error_body(request, error, Dialect::anthropic) + "\n\n");
}

Task<> AnthropicRoutes::converse(Talk& talk) {
    talk.asked = anthropic::read_messages(talk.request.body);
    talk.ticket.row.streamed = talk.asked.stream;
    talk.writer.emplace(talk.asked.model);
    const auto target = co_await gateway_.find(talk.asked.model, false, talk.ticket);
    GatewayService::Tell tell;
    if (talk.asked.stream) tell = [&talk](std::string text) { return talk.tell(std::move(text)); };
    Seat seat = co_await gateway_.take_seat(*target, talk.request, tell);
    UpstreamResponse response = co_await ask_translated(gateway_, seat, talk.asked, std::move(tell));
    if (talk.asked.stream) {
        if (!talk.exchange.begun()) talk.begin();
        const TokenCounts tokens =
            co_await pass_translated(std::move(response), talk.exchange, talk.ticket,
                                     [&talk](const Delta& delta) { return talk.writer->events(delta); });
        co_await talk.exchange.finish(talk.writer->end(tokens));
    } else {
        const WholeAnswer answer = co_await read_whole(gateway_, std::move(response), talk.ticket);
        Response whole;
        whole.headers.push_back({"Content-Type", "application/json"});
        whole.body = anthropic::answer(talk.asked.model, answer.body, answer.tokens);
        co_await talk.exchange.send(std::move(whole));
    }
    talk.ticket.row.status = 200;
}

}  // namespace llmm::gateway
