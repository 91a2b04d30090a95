#include "features/gateway/translation.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::gateway {
namespace {

constexpr std::size_t kMaxShown = 500;       // bytes of an engine's own words
constexpr std::size_t kMaxToolCalls = 1024;  // in one answer

[[noreturn]] void not_understood(std::string note) {
    throw Error(ErrorCode::engine_failed, {"the engine sent something that is no answer", "引擎返回的内容无法识别"})
        .with_log_note(std::move(note));
}

std::string text_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::object* object_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value ? value->if_object() : nullptr;
}

std::optional<std::int64_t> nanoseconds_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || !value->is_number()) return std::nullopt;
    const double ms = value->to_number<double>();
    if (!(ms >= 0) || ms > 1e12) return std::nullopt;
    return static_cast<std::int64_t>(ms * 1e6);
}

void read_tool_calls(const json::object& message, Delta& delta) {
    const json::value* calls = message.if_contains("tool_calls");
    if (!calls || !calls->is_array()) return;
    std::size_t place = 0;
    for (const json::value& value : calls->get_array()) {
        const json::object* call = value.if_object();
        const json::object* function = call ? object_at(*call, "function") : nullptr;
        if (!function) not_understood("a tool call without a function");
        const json::value* index = call->if_contains("index");
        if (index && index->is_int64() && index->get_int64() >= 0) place = static_cast<std::size_t>(index->get_int64());
        if (place >= kMaxToolCalls) not_understood("too many tool calls");
        delta.tool_calls.push_back({text_at(*call, "id"), text_at(*function, "name"), text_at(*function, "arguments")});
        delta.tool_places.push_back(place++);
    }
}

}  // namespace

std::string with_model(const std::string& body, std::string_view model) {
    return fmt::format("{{\"model\":{},{}", json::serialize(json::string(model)), std::string_view(body).substr(1));
}

Delta read_delta(std::string_view text) {
    json::value value;
    try {
        value = parse_json(text);
    } catch (const Error& error) {
        not_understood(error.what());
    }
    const json::object* object = value.if_object();
    if (!object) not_understood("an answer that is no object");
    if (const auto* error = object_at(*object, "error")) {
        const std::string message = text_at(*error, "message");
        throw Error(ErrorCode::engine_failed,
                    Text::format("the engine reports: {}", "引擎报告：{}", message.substr(0, kMaxShown)));
    }
    const json::value* choices = object->if_contains("choices");
    if (!choices || !choices->is_array()) not_understood("an answer without choices");
    Delta delta;
    delta.id = text_at(*object, "id");
    if (const auto* timings = object_at(*object, "timings")) {
        delta.prompt_ns = nanoseconds_at(*timings, "prompt_ms");
        delta.answer_ns = nanoseconds_at(*timings, "predicted_ms");
    }
    if (choices->get_array().empty()) return delta;
    const json::object* choice = choices->get_array().front().if_object();
    if (!choice) not_understood("a choice that is no object");
    delta.finish_reason = text_at(*choice, "finish_reason");
    delta.text = text_at(*choice, "text");
    for (const std::string_view name : {"delta", "message"}) {
        const json::object* message = object_at(*choice, name);
        if (!message) continue;
        delta.text += text_at(*message, "content");
        delta.reasoning += text_at(*message, "reasoning_content");
        if (delta.reasoning.empty()) delta.reasoning = text_at(*message, "reasoning");
        read_tool_calls(*message, delta);
    }
    return delta;
}

void ToolCalls::add(const Delta& delta) {
    for (std::size_t i = 0; i < delta.tool_calls.size(); ++i) {
        const std::size_t place = delta.tool_places[i];
        if (calls_.size() <= place) calls_.resize(place + 1);
        ToolCall& call = calls_[place];
        const ToolCall& piece = delta.tool_calls[i];
        if (!piece.id.empty()) call.id = piece.id;
        call.name += piece.name;
        call.arguments += piece.arguments;
    }
}

std::string data_url(std::string_view base64, std::string_view type) {
    if (type.empty()) {
        type = base64.starts_with("/9j/")     ? "image/jpeg"
               : base64.starts_with("R0lGOD") ? "image/gif"
               : base64.starts_with("UklGR")  ? "image/webp"
                                              : "image/png";
    }
    return fmt::format("data:{};base64,{}", type, base64);
}

std::string refusal_message(int status, const std::string& body) {
    try {
        const json::value value = parse_json(body);
        const json::object* object = value.if_object();
        if (const json::object* error = object ? object_at(*object, "error") : nullptr) {
            if (std::string message = text_at(*error, "message"); !message.empty()) return message.substr(0, kMaxShown);
        }
        if (object) {
            if (std::string message = text_at(*object, "error"); !message.empty()) return message.substr(0, kMaxShown);
        }
    } catch (const Error&) {
        // no JSON: only the status is left
    }
    return fmt::format("the engine answered with status {}", status);
}

}  // namespace llmm::gateway
