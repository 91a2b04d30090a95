#include "features/chat/engine_call.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "features/chat/completion_json.hpp"
#include "features/chat/completion_stream.hpp"

#include <exception>

namespace llmm::chat {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxBody = 1 << 20;
constexpr auto kCountWait = 30s;  // a busy engine counts between two batches

Error error_of(const HttpError& error) {
    const auto made = [&error](ErrorCode code, Text message) {
        return Error(code, std::move(message)).with_log_note(error.what());
    };
    switch (error.failure()) {
        case HttpFailure::timeout:
        case HttpFailure::stalled:
            return made(ErrorCode::engine_timeout, {"the engine did not answer in time", "引擎未在规定时间内响应"});
        case HttpFailure::resolve:
        case HttpFailure::connect:
            return made(ErrorCode::engine_unavailable, {"the engine can't be reached", "无法连接引擎"});
        default:
            return made(ErrorCode::engine_failed, {"the engine broke off its answer", "引擎中断了回答"});
    }
}

UpstreamRequest post(std::string target, std::string body) {
    return {.method = "POST",
            .target = std::move(target),
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body),
            .head_timeout = kCountWait,
            .read_timeout = kCountWait};
}

// The body of a 200. Nothing for any other answer or none at all: what is asked so is only of help, and an engine that
// is gone is noticed with the reply.
Task<std::optional<std::string>> body_of(const Engine& engine, UpstreamRequest request) {
    try {
        UpstreamResponse response = co_await engine.upstream->send(std::move(request));
        std::string body = co_await response.read_all(kMaxBody);
        if (response.status() == 200) co_return body;
    } catch (const HttpError&) {
    }
    co_return std::nullopt;
}

Task<> read_answer(const Engine& engine, std::string body, std::chrono::milliseconds limit, std::string& text) {
    UpstreamRequest request = post("/v1/chat/completions", std::move(body));
    request.head_timeout = request.read_timeout = limit;
    UpstreamResponse response = co_await engine.upstream->send(std::move(request));
    if (response.status() != 200) {
        const std::string refusal = co_await response.read_all(kMaxBody);
        throw completion_error(response.status(), refusal);
    }
    CompletionStream stream;
    while (!stream.done()) {
        const auto bytes = co_await response.read_some();
        if (!bytes) {
            stream.close();
            break;
        }
        stream.feed(*bytes, text);
        if (text.size() > kMaxBody) fail(ErrorCode::engine_failed, "the reply is too long", "回答过长");
    }
}

}  // namespace

Error engine_error(std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error;
    } catch (const HttpError& error) {
        return error_of(error);
    } catch (const std::exception& error) {
        return Error(ErrorCode::internal, {"an unexpected error ended the reply", "发生意外错误，回答已中断"})
            .with_log_note(error.what());
    }
}

Task<std::string> ask_engine(const Engine& engine, ChatConfig config, std::vector<Turn> turns,
                             std::chrono::milliseconds limit) {
    std::string text;
    if (co_await race(read_answer(engine, completion_request(engine.model, config, turns), limit, text),
                      sleep_for(limit)) == 1) {
        fail(ErrorCode::engine_timeout, "the engine did not answer in time", "引擎未在规定时间内响应");
    }
    co_return text;
}

Task<std::optional<std::int64_t>> context_size_of(const Engine& engine) {
    const auto body = co_await body_of(
        engine, {.method = "GET", .target = "/props", .head_timeout = kCountWait, .read_timeout = kCountWait});
    co_return body ? parse_context_size(*body) : std::nullopt;
}

Task<std::optional<std::int64_t>> count_tokens(const Engine& engine, std::vector<Turn> turns) {
    const auto body = co_await body_of(
        engine, post("/v1/chat/completions/input_tokens", completion_request(engine.model, {}, turns)));
    co_return body ? parse_token_count(*body) : std::nullopt;
}

}  // namespace llmm::chat
