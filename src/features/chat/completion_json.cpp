#include "features/chat/completion_json.hpp"

#include "base/json/json.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include <boost/json.hpp>

namespace llmm::chat {
namespace {

constexpr std::size_t kMaxShown = 300;  // bytes of an engine's own words that clients get to see

template <class T>
void put(json::object& object, std::string_view name, const std::optional<T>& value) {
    if (value) object.emplace(name, json::value_from(*value));
}

const json::object* object_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value ? value->if_object() : nullptr;
}

std::string text_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    const json::string* text = value ? value->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

std::optional<std::int64_t> count_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

std::string shown(std::string text) {
    if (text.size() <= kMaxShown) return text;
    std::size_t end = kMaxShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;  // not inside a character
    return text.substr(0, end) + "…";
}

Error failed(int status, const std::string& words) {
    if (words.empty()) {
        return Error(ErrorCode::engine_failed,
                     Text::format("the engine answered with status {}", "引擎返回状态码 {}", status));
    }
    return Error(ErrorCode::engine_failed, Text::format("the engine reports: {}", "引擎报告：{}", shown(words)));
}

// {"code":400,"message":…,"type":…}
Error reported_error(int status, const json::object& error) {
    const std::string type = text_at(error, "type");
    if (type == "exceed_context_size_error") {
        Details details;
        if (const auto tokens = count_at(error, "n_prompt_tokens")) details.push_back({"prompt_tokens", *tokens});
        if (const auto size = count_at(error, "n_ctx")) details.push_back({"context_size", *size});
        return Error(ErrorCode::context_exceeded,
                     {"the conversation is longer than the context of the deployment", "对话长度超过部署的上下文长度"},
                     std::move(details));
    }
    if (status == 503 || type == "unavailable_error") {
        return Error(ErrorCode::engine_unavailable, {"the engine is not ready yet", "引擎尚未就绪"})
            .with_retry_after(1);
    }
    return failed(status, text_at(error, "message"));
}

Error not_understood(std::string note) {
    return Error(ErrorCode::engine_failed, {"the engine sent something that is no answer", "引擎返回的内容无法识别"})
        .with_log_note(std::move(note));
}

std::optional<json::object> try_parse_object(std::string_view text) {
    try {
        json::value value = parse_json(text);
        if (!value.is_object()) return std::nullopt;
        return std::move(value.get_object());
    } catch (const Error&) {
        return std::nullopt;
    }
}

Usage usage_of(const json::object& usage) {
    return {count_at(usage, "prompt_tokens"), count_at(usage, "completion_tokens"), count_at(usage, "total_tokens")};
}

std::optional<double> speed_of(const json::object& timings) {
    const json::value* speed = timings.if_contains("predicted_per_second");
    if (!speed || !speed->is_number()) return std::nullopt;
    const double value = speed->to_number<double>();
    return std::isfinite(value) && value >= 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string completion_request(const std::string& model, const ChatConfig& config, const std::vector<Turn>& turns) {
    json::array messages;
    for (const Turn& turn : turns) {
        messages.push_back(json::object{{"role", name_of(turn.role)}, {"content", turn.content}});
    }
    json::object body{{"model", model},
                      {"messages", std::move(messages)},
                      {"stream", true},
                      {"stream_options", {{"include_usage", true}}}};
    put(body, "temperature", config.temperature);
    put(body, "top_p", config.top_p);
    put(body, "top_k", config.top_k);
    put(body, "min_p", config.min_p);
    put(body, "max_tokens", config.max_tokens);
    put(body, "stop", config.stop);
    put(body, "seed", config.seed);
    put(body, "presence_penalty", config.presence_penalty);
    put(body, "frequency_penalty", config.frequency_penalty);
    put(body, "repeat_penalty", config.repeat_penalty);
    return json::serialize(body);
}

CompletionChunk parse_completion_chunk(std::string_view data) {
    const auto object = try_parse_object(data);
    if (!object) throw not_understood("an event of the stream is no JSON object");
    if (const auto* error = object_at(*object, "error")) {
        throw reported_error(static_cast<int>(count_at(*error, "code").value_or(500)), *error);
    }
    CompletionChunk chunk;
    const json::value* choices = object->if_contains("choices");
    if (!choices || !choices->is_array()) throw not_understood("an event of the stream has no choices");
    if (!choices->get_array().empty()) {
        const json::object* choice = choices->get_array().front().if_object();
        if (!choice) throw not_understood("a choice of the stream is no object");
        if (const auto* delta = object_at(*choice, "delta")) chunk.text = text_at(*delta, "content");
        if (std::string reason = text_at(*choice, "finish_reason"); !reason.empty()) {
            chunk.finish_reason = std::move(reason);
        }
    }
    std::erase(chunk.text, '\0');  // PostgreSQL stores no NUL
    if (const auto* usage = object_at(*object, "usage")) chunk.usage = usage_of(*usage);
    if (const auto* timings = object_at(*object, "timings")) chunk.tokens_per_second = speed_of(*timings);
    return chunk;
}

std::optional<std::int64_t> parse_context_size(std::string_view body) {
    const auto object = try_parse_object(body);
    const auto* settings = object ? object_at(*object, "default_generation_settings") : nullptr;
    const auto size = settings ? count_at(*settings, "n_ctx") : std::nullopt;
    return size && *size > 0 ? size : std::nullopt;
}

std::optional<std::int64_t> parse_token_count(std::string_view body) {
    const auto object = try_parse_object(body);
    return object ? count_at(*object, "input_tokens") : std::nullopt;
}

Error completion_error(int status, std::string_view body) {
    const auto object = try_parse_object(body);
    const auto* error = object ? object_at(*object, "error") : nullptr;
    return reported_error(status, error ? *error : json::object());
}

}  // namespace llmm::chat
