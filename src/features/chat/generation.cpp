#include "features/chat/generation.hpp"

#include "base/async/race.hpp"
#include "base/log/log.hpp"
#include "features/chat/completion_json.hpp"
#include "features/chat/completion_stream.hpp"
#include "features/chat/context_window.hpp"
#include "features/chat/engine_call.hpp"

#include <cmath>
#include <exception>

#include <boost/asio/this_coro.hpp>

namespace llmm::chat {
namespace {

constexpr std::size_t kMaxErrorBody = 1 << 20;

double milliseconds(std::chrono::steady_clock::duration time) {
    // Microseconds are all that anybody reads.
    return std::round(std::chrono::duration<double, std::micro>(time).count()) / 1000;
}

}  // namespace

usage::Usage usage_of(const Message& reply, std::string caller) {
    return {.id = reply.id.str(),
            .at = reply.created_at,
            .caller = std::move(caller),
            .dialect = "chat",
            .operation = "chat.completions",
            .streamed = true};
}

Generation::Generation(Deps deps, NewExchange wanted, bool detached, std::string caller)
    : deps_(deps),
      wanted_(std::move(wanted)),
      detached_(detached),
      caller_(std::move(caller)),
      changed_(deps_.executor),
      stopped_(deps_.executor) {}

void Generation::request_stop(StopReason reason) {
    if (stop_reason_ || ended_) return;
    stop_reason_ = reason;
    stopped_.notify();
}

void Generation::add_watcher() {
    if (++watchers_ == 1) stopped_.notify();
}

void Generation::remove_watcher() {
    if (--watchers_ == 0) stopped_.notify();
}

Task<> Generation::wait_for_end() {
    while (!ended_)
        co_await changed_.wait();
}

Task<> Generation::run() {
    // A stop of the service is a request_stop(): the last write must not be cancelled.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    try {
        co_await write_reply();
    } catch (...) {
        fail_with(std::current_exception());
    }
    ended_ = true;
    changed_.notify();
}

Task<> Generation::write_reply() {
    exchange_ = co_await deps_.store.begin_exchange(wanted_);
    open_ticket();
    changed_.notify();
    try {
        co_await race(answer(), until_stopped());
    } catch (...) {
        fail_with(std::current_exception());
    }
    co_await store_end();
}

Task<> Generation::until_stopped() {
    while (!stop_reason_) {
        if (watchers_ > 0 || detached_) {
            co_await stopped_.wait();
        } else if (!co_await stopped_.wait_for(deps_.limits.unwatched_wait)) {
            request_stop(StopReason::unwatched);
        }
    }
}

Task<> Generation::answer() {
    co_await race(converse(), flush_now_and_then());
}

void Generation::fail_with(std::exception_ptr error) {
    failure_ = engine_error(error);
    log::warning("a reply was broken off", {{"message", wanted_.reply_id.str()}, {"error", describe(error)}});
}

UpstreamRequest Generation::request_for(const Engine& engine, const std::vector<Turn>& turns) const {
    return {.method = "POST",
            .target = "/v1/chat/completions",
            .headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}},
            .body = completion_request(engine.model, exchange_->session.config, turns),
            .head_timeout = deps_.limits.answer_wait,
            .read_timeout = deps_.limits.stall_wait};
}

// When an instance does not answer, another one is asked: nothing of the reply was there yet. Once and not for ever:
// the request itself may be what an engine dies of.
Task<Generation::Answering> Generation::reach_engine(DeploymentId deployment) {
    for (bool first = true;; first = false) {
        Engine engine = co_await deps_.engines.take({.id = deployment,
                                                     .deadline = Clock::now() + deps_.limits.engine_wait,
                                                     .caller = caller_,
                                                     .prefix = wanted_.session_id.str(),
                                                     .queued = [this](std::size_t position) {
                                                         queue_position_ = position;
                                                         changed_.notify();
                                                     }});
        queue_position_.reset();
        metadata_.model = engine.model;
        ticket_->row.deployment = engine.deployment;
        ticket_->row.model = engine.model_ref;
        ticket_->begin();
        FittedPrompt prompt = co_await fit_prompt(engine, *exchange_, deps_.limits.context_policy);
        metadata_.context = std::move(prompt.context);
        asked_at_ = Clock::now();
        try {
            UpstreamResponse response = co_await engine.upstream->send(request_for(engine, prompt.turns));
            co_return Answering{std::move(engine), std::move(response)};
        } catch (const HttpError& error) {
            if (!first || !was_silent(error) || !engine.give_up || !engine.give_up()) throw;
        }
    }
}

Task<> Generation::converse() {
    if (!exchange_->session.deployment_id) {
        fail(ErrorCode::deployment_not_found, "the deployment of this session is gone", "该会话的部署已被删除");
    }
    auto [engine, response] = co_await reach_engine(*exchange_->session.deployment_id);
    if (response.status() != 200) {
        const std::string body = co_await response.read_all(kMaxErrorBody);
        throw completion_error(response.status(), body);
    }
    CompletionStream stream;
    while (!stream.done()) {
        const auto bytes = co_await response.read_some();
        if (!bytes) {
            stream.close();
            break;
        }
        std::string text;
        std::exception_ptr broken;
        try {
            stream.feed(*bytes, text);
        } catch (...) {
            broken = std::current_exception();
        }
        answered_ = answered_ || stream.begun();
        append(text);
        metadata_.finish_reason = stream.finish_reason();
        metadata_.usage = stream.usage();
        engine_speed_ = stream.tokens_per_second();
        if (broken) std::rethrow_exception(broken);
    }
    answered_ = true;
}

void Generation::append(std::string_view text) {
    if (!text.empty()) {
        if (!first_text_at_) first_text_at_ = Clock::now();
        exchange_->assistant.content += text;
    }
    changed_.notify();
    if (exchange_->assistant.content.size() > deps_.limits.max_reply_bytes) {
        fail(ErrorCode::engine_failed, "the reply is too long", "回答过长");
    }
}

// Failing to save in between is no reason to end a reply: the last write may succeed.
Task<> Generation::flush_now_and_then() {
    std::size_t saved = 0;
    while (true) {
        co_await sleep_for(deps_.limits.flush_interval);
        if (exchange_->assistant.content.size() == saved) continue;
        saved = exchange_->assistant.content.size();
        try {
            co_await deps_.store.save_text(wanted_.reply_id, exchange_->assistant.content);
        } catch (const Error& error) {
            log::warning("a reply could not be saved yet",
                         {{"message", wanted_.reply_id.str()}, {"error", error.what()}});
        }
    }
}

Metadata Generation::outcome() const {
    Metadata result = metadata_;
    if (failure_) {
        result.finish_reason = kFinishError;
        result.error = MessageFailure{failure_->code(), failure_->message().en};
    } else if (stop_reason_) {
        result.finish_reason = kFinishCancelled;
    }
    if (asked_at_ == Clock::time_point()) return result;
    Timings timings;
    const auto end = Clock::now();
    timings.total_ms = milliseconds(end - asked_at_);
    if (first_text_at_) timings.time_to_first_token_ms = milliseconds(*first_text_at_ - asked_at_);
    timings.tokens_per_second = engine_speed_;
    const double writing_ms = first_text_at_ ? milliseconds(end - *first_text_at_) : 0;
    if (!engine_speed_ && writing_ms > 0 && result.usage && result.usage->completion_tokens) {
        timings.tokens_per_second = static_cast<double>(*result.usage->completion_tokens) * 1000 / writing_ms;
    }
    result.timings = timings;
    return result;
}

Task<> Generation::store_end() {
    Message& message = exchange_->assistant;
    message.metadata = outcome();
    if (failure_) {
        message.status = message.content.empty() ? MessageStatus::failed : MessageStatus::partial;
    } else {
        message.status = stop_reason_ ? MessageStatus::partial : MessageStatus::complete;
    }
    message.updated_at = now();
    close_ticket();
    co_await deps_.store.finish(message);
}

// One row for each reply that came to something, as the gateway writes one for each request of its own.
void Generation::open_ticket() {
    ticket_.emplace(deps_.usage, usage_of(exchange_->assistant, caller_));
    ticket_->begin();
}

void Generation::close_ticket() {
    constexpr int kDone = 200, kClientClosed = 499, kEngineFailed = 502;  // as HTTP would say it
    usage::Usage& row = ticket_->row;
    const Metadata& metadata = exchange_->assistant.metadata;
    row.status = failure_ ? kEngineFailed : stop_reason_ ? kClientClosed : kDone;
    if (metadata.usage) {
        row.tokens_in = metadata.usage->prompt_tokens;
        row.tokens_out = metadata.usage->completion_tokens;
    }
    if (metadata.timings) {
        row.first_token_ms = metadata.timings->time_to_first_token_ms;
        row.total_ms = metadata.timings->total_ms.value_or(0);
    }
    if (failure_) row.error = name_of(failure_->code());
    ticket_.reset();
}

}  // namespace llmm::chat
