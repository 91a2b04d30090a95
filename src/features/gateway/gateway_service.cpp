#include "features/gateway/gateway_service.hpp"

#include "base/async/race.hpp"
#include "base/json/json.hpp"
#include "base/log/log.hpp"
#include "features/gateway/answer_scan.hpp"
#include "features/gateway/event_splitter.hpp"
#include "http/response.hpp"

#include <boost/json.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace llmm::gateway {

using http::Exchange, http::Request, http::Response;
using Clock = std::chrono::steady_clock;

namespace {

std::string_view name_of(Dialect dialect) {
    switch (dialect) {
        case Dialect::openai:
            return "openai";
        case Dialect::anthropic:
            return "anthropic";
        case Dialect::ollama:
            return "ollama";
    }
    return "openai";
}

bool is_event_stream(const UpstreamResponse& answer) {
    return find_header(answer.headers(), "Content-Type").value_or("").starts_with("text/event-stream");
}

// A comment of an event stream: clients skip it, proxies see that the connection lives.
std::string comment(std::string_view text) {
    return fmt::format(": {}\n\n", text);
}

std::string error_event(std::string_view body, Dialect dialect) {
    return fmt::format("{}data: {}\n\n", dialect == Dialect::anthropic ? "event: error\n" : "", body);
}

// One line of JSON, whatever an engine has sent.
std::string one_line(const std::string& body) {
    try {
        return json::serialize(parse_json(body));
    } catch (const Error&) {
        return json::serialize(json::object{{"error", {{"message", "the engine failed"}, {"type", "server_error"}}}});
    }
}

}  // namespace

Error error_of(std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error;
    } catch (const HttpError& error) {
        const bool late = error.failure() == HttpFailure::timeout || error.failure() == HttpFailure::stalled;
        return (late ? Error(ErrorCode::engine_timeout, {"the engine did not answer in time", "引擎未能及时响应"})
                     : Error(ErrorCode::engine_failed, {"the engine broke off", "引擎中断了响应"}))
            .with_log_note(error.what());
    } catch (const boost::system::system_error&) {
        throw;
    } catch (const std::exception& error) {
        return Error(ErrorCode::internal, {"an unexpected error", "发生意外错误"}).with_log_note(error.what());
    }
}

// One request on its way through.
struct GatewayService::Passage {
    const Operation& operation;
    Request& request;
    Exchange& exchange;
    RequestTicket ticket;
    bool stream = false;
    bool hide_usage = false;  // asked for on our own account
    std::string position;     // in the queue, when it came

    // Begins the stream when that is what the client waits for.
    Task<> tell(std::string text) {
        if (!stream) co_return;
        if (!exchange.begun()) begin();
        co_await exchange.write(comment(text));
    }
    void begin() {
        Response head = http::event_stream();
        if (!position.empty()) head.headers.push_back({"X-Queue-Position", position});
        exchange.begin(std::move(head));
    }
};

Task<> GatewayService::forward(const Operation& operation, Request& request, Exchange& exchange) {
    Passage passage{.operation = operation,
                    .request = request,
                    .exchange = exchange,
                    .ticket = {deps_.usage, request, name_of(operation.dialect), operation.name},
                    .position = {}};
    std::exception_ptr failure;
    try {
        co_await pass(passage);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const Error error = error_of(failure);
    passage.ticket.row.status = status_of(error, operation.dialect);
    passage.ticket.row.error = name_of(error.code());
    if (!exchange.begun()) throw error;
    log::warning("a stream was broken off",
                 {{"request_id", request.request_id}, {"error", name_of(error.code())}, {"note", error.log_note()}});
    co_await exchange.finish(error_event(error_body(request, error, operation.dialect), operation.dialect));
}

Task<ModelDirectory::TargetPtr> GatewayService::find(std::string model, bool deploy, RequestTicket& ticket) {
    ticket.row.model = model;
    auto target = deps_.directory.find_known(model);
    if (!target) target = co_await deps_.directory.find(std::move(model), deploy);
    ticket.row.model = target->model_ref;
    ticket.row.deployment = target->name;
    ticket.begin();
    co_return target;
}

Task<> GatewayService::pass(Passage& passage) {
    Request& request = passage.request;
    const ScannedBody first = scan_body(request.body, allowed_fields("llama-server"));
    passage.stream = passage.ticket.row.streamed = first.stream;
    const auto target = co_await find(first.model, false, passage.ticket);
    const bool is_llama = target->engine == "llama-server";
    const ScannedBody scanned =
        is_llama || first.all_allowed ? first : scan_body(request.body, allowed_fields(target->engine));
    Tell tell;
    if (passage.stream) tell = [&passage](std::string text) { return passage.tell(std::move(text)); };
    if (target->admission->is_full()) passage.position = std::to_string(target->admission->waiting() + 1);
    const std::uint64_t affinity = deployments::DeploymentService::affinity_of(
        std::string_view(request.body).substr(first.prompt.begin, first.prompt.end - first.prompt.begin));
    Seat seat = co_await take_seat(*target, request, tell, affinity);
    passage.hide_usage = passage.operation.usage_on_request && first.stream && !first.include_usage && !is_llama;
    std::string body = rewrite_body(std::move(request.body), scanned, seat.lease.model(), passage.hide_usage);
    UpstreamResponse answer =
        co_await ask(seat, passage.operation.target, std::move(body), passage.stream, std::move(tell));
    if (is_event_stream(answer) && answer.status() == 200) {
        co_await pass_stream(passage, std::move(answer));
    } else {
        co_await pass_whole(passage, std::move(answer));
    }
}

Task<Seat> GatewayService::take_seat(const Target& target, const Request& request, Tell tell, std::uint64_t affinity) {
    auto permit = target.admission->try_enter();
    if (permit) {
        if (auto lease = deps_.deployments.lease_if_ready(target.id, affinity))
            co_return Seat{std::move(*permit), std::move(*lease), target.id, affinity};
    } else {
        deployments::Admission::Wait wait{.caller = request.principal ? request.principal->name : request.remote,
                                          .deadline = Clock::now() + limits_.queue_wait,
                                          .interval = limits_.heartbeat,
                                          .told = {}};
        if (tell) {
            wait.told = [&tell](std::size_t position) { return tell(fmt::format("queued, position {}", position)); };
        }
        permit.emplace(co_await target.admission->enter(std::move(wait)));
        if (auto lease = deps_.deployments.lease_if_ready(target.id, affinity))
            co_return Seat{std::move(*permit), std::move(*lease), target.id, affinity};
    }
    auto lease = co_await wait_for_engine(target, std::move(tell), affinity);
    co_await deps_.directory.refresh(target.id);
    co_return Seat{std::move(*permit), std::move(lease), target.id, affinity};
}

Task<deployments::EngineLease> GatewayService::wait_for_engine(const Target& target, Tell tell,
                                                               std::uint64_t affinity) {
    const auto deadline = Clock::now() + limits_.engine_wait;
    if (!tell) co_return co_await deps_.deployments.ensure_ready(target.id, deadline, affinity);
    std::optional<deployments::EngineLease> lease;
    for (;;) {
        // A word to the client is never cut off: it is said between two waits.
        co_await race(assign(deps_.deployments.ensure_ready(target.id, deadline, affinity), lease),
                      sleep_for(limits_.heartbeat));
        if (lease) co_return std::move(*lease);
        co_await tell("the engine is starting");
    }
}

Task<UpstreamResponse> GatewayService::ask(Seat& seat, std::string_view target, std::string body, bool stream,
                                           Tell tell) {
    UpstreamRequest asked{.method = "POST",
                          .target = std::string(target),
                          .headers = {{"Content-Type", "application/json"},
                                      {"Accept", stream ? "text/event-stream" : "application/json"}},
                          .body = {},
                          .head_timeout = limits_.answer_wait,
                          .read_timeout = limits_.stall_wait};
    if (tell) {
        asked.silence = limits_.heartbeat;
        asked.on_silence = [tell = std::move(tell)] { return tell("the engine works"); };
    }
    // Once more and not for ever: the request itself may be what an engine dies of.
    for (bool first = true;; first = false) {
        // Who can't ask again needs no copy of what may be many megabytes.
        const bool has_others = first && seat.lease.has_others();
        asked.body = has_others ? body : std::move(body);
        try {
            co_return co_await seat.lease.upstream().send(has_others ? asked : std::move(asked));
        } catch (const HttpError& error) {
            if (!has_others || !was_silent(error)) throw;
        }
        seat.lease.give_up();
        if (auto lease = deps_.deployments.lease_if_ready(seat.deployment, seat.affinity)) {
            seat.lease = std::move(*lease);
        } else {
            seat.lease = co_await deps_.deployments.ensure_ready(seat.deployment, Clock::now() + limits_.engine_wait,
                                                                 seat.affinity);
        }
    }
}

Task<> GatewayService::pass_whole(Passage& passage, UpstreamResponse answer) {
    Response response;
    response.status = answer.status();
    response.as_is = true;
    response.headers.push_back(
        {"Content-Type", std::string(find_header(answer.headers(), "Content-Type").value_or("application/json"))});
    if (!passage.position.empty()) response.headers.push_back({"X-Queue-Position", passage.position});
    response.body = co_await answer.read_all(limits_.max_answer);
    AnswerScan scan;
    scan.feed(response.body);
    passage.ticket.note(scan.tokens());
    if (answer.status() >= 400) passage.ticket.row.error = "ENGINE_REFUSED";
    if (passage.exchange.begun()) {  // a stream that has begun can only be told as an event
        passage.ticket.row.status = response.status;
        co_return co_await passage.exchange.finish(error_event(one_line(response.body), passage.operation.dialect));
    }
    const int status = response.status;
    co_await passage.exchange.send(std::move(response));
    passage.ticket.row.status = status;
}

Task<> GatewayService::pass_stream(Passage& passage, UpstreamResponse answer) {
    if (!passage.exchange.begun()) passage.begin();
    EventSplitter splitter;
    AnswerScan scan;
    while (const auto piece = co_await answer.read_some()) {
        const std::string_view events = splitter.feed(*piece);
        if (events.empty()) continue;
        scan.feed(events);
        if (scan.begun()) passage.ticket.note_first_token();
        passage.ticket.note(scan.tokens());
        const bool hidden = passage.hide_usage && has_usage_event(events);
        const std::string kept = hidden ? without_usage_event(events) : std::string();
        const std::string_view shown = hidden ? std::string_view(kept) : events;
        if (answer.ended()) {
            co_await passage.exchange.finish(shown);
            passage.ticket.row.status = 200;
            co_return;
        }
        co_await passage.exchange.write(shown);
    }
    if (splitter.has_rest()) {
        throw Error(ErrorCode::engine_failed, {"the engine broke off", "引擎中断了响应"})
            .with_log_note("the stream ended inside an event");
    }
    co_await passage.exchange.finish({});
    passage.ticket.row.status = 200;
}

}  // namespace llmm::gateway
