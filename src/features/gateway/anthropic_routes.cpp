#include "features/gateway/anthropic_routes.hpp"

#include "features/chat/sse_parser.hpp"
#include "features/gateway/anthropic_json.hpp"

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

    void begin() {
        Response head;
        head.headers = {
            {"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
        exchange.begin(std::move(head));
    }
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
    UpstreamResponse response = co_await gateway_.ask(
        seat, talk.asked.target, with_model(talk.asked.body, seat.lease.model()), talk.asked.stream, tell);
    if (response.status() != 200) {
        const std::string body = co_await response.read_all();
        const std::string message = refusal_message(response.status(), body);
        throw Error(response.status() == 400 ? ErrorCode::validation_failed : ErrorCode::engine_failed,
                    Text{message, message});
    }
    if (talk.asked.stream) co_return co_await stream(talk, std::move(response));
    const std::string body = co_await response.read_all(gateway_.limits().max_answer);
    AnswerScan scan;
    scan.feed(body);
    talk.ticket.note(scan.tokens());
    Response whole;
    whole.headers.push_back({"Content-Type", "application/json"});
    whole.body = anthropic::answer(talk.asked.model, body, scan.tokens());
    co_await talk.exchange.send(std::move(whole));
    talk.ticket.row.status = 200;
}

Task<> AnthropicRoutes::stream(Talk& talk, UpstreamResponse response) {
    if (!talk.exchange.begun()) talk.begin();
    chat::SseParser parser;
    AnswerScan scan;
    bool done = false;
    while (const auto piece = co_await response.read_some()) {
        std::vector<chat::SseEvent> events;
        parser.feed(*piece, events);
        std::string out;
        for (const auto& event : events) {
            if (event.data == "[DONE]") {
                done = true;
                break;
            }
            scan.feed(event.data);
            out += talk.writer->events(read_delta(event.data));
        }
        talk.ticket.note(scan.tokens());
        if (out.empty()) continue;
        talk.ticket.note_first_token();
        co_await talk.exchange.write(out);
    }
    if (!done) fail(ErrorCode::engine_failed, "the engine broke off", "引擎中断了响应");
    co_await talk.exchange.finish(talk.writer->end(scan.tokens()));
    talk.ticket.row.status = 200;
}

}  // namespace llmm::gateway
