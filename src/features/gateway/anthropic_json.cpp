#include "features/gateway/anthropic_json.hpp"

#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "base/json/json.hpp"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::gateway::anthropic {
namespace {

[[noreturn]] void refuse(std::string field, Text problem) {
    throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                {{std::move(field), FieldProblem{std::move(problem)}}});
}

const json::object& object_of(const json::value& value, std::string_view field) {
    if (!value.is_object()) refuse(std::string(field), {"is no object", "不是对象"});
    return value.get_object();
}

std::string text(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// A string, or the text of blocks.
std::string words_of(const json::value& content) {
    if (content.is_string()) return std::string(content.get_string());
    std::string words;
    if (!content.is_array()) return words;
    for (const json::value& block : content.get_array()) {
        if (block.is_object() && text(block.get_object(), "type") == "text") words += text(block.get_object(), "text");
    }
    return words;
}

json::object image_part(const json::object& block) {
    const json::value* value = block.if_contains("source");
    if (!value) refuse("source", {"is missing", "缺失"});
    const json::object& source = object_of(*value, "source");
    if (text(source, "type") != "base64") refuse("source", {"must be of type base64", "必须为 base64 类型"});
    return {{"type", "image_url"},
            {"image_url", {{"url", data_url(text(source, "data"), text(source, "media_type"))}}}};
}

// One message may become several: results of tools are messages of their own.
void add_message(const json::object& message, json::array& out) {
    const std::string role = text(message, "role");
    const json::value* content = message.if_contains("content");
    if (!content) refuse("messages", {"holds a message without content", "消息缺少 content"});
    if (!content->is_array()) {
        out.push_back(json::object{{"role", role}, {"content", words_of(*content)}});
        return;
    }
    json::array parts, calls;
    std::string reasoning;
    for (const json::value& value : content->get_array()) {
        const json::object& block = object_of(value, "content");
        const std::string type = text(block, "type");
        if (type == "text") {
            parts.push_back(json::object{{"type", "text"}, {"text", text(block, "text")}});
        } else if (type == "image") {
            parts.push_back(image_part(block));
        } else if (type == "thinking") {
            reasoning += text(block, "thinking");
        } else if (type == "tool_use") {
            const json::value* input = block.if_contains("input");
            calls.push_back(json::object{
                {"id", text(block, "id")},
                {"type", "function"},
                {"function", {{"name", text(block, "name")}, {"arguments", input ? json::serialize(*input) : "{}"}}}});
        } else if (type == "tool_result") {
            const json::value* result = block.if_contains("content");
            out.push_back(json::object{{"role", "tool"},
                                       {"tool_call_id", text(block, "tool_use_id")},
                                       {"content", result ? words_of(*result) : ""}});
        } else {
            refuse("content", Text::format("has a block of the type \"{}\"", "包含类型为“{}”的内容块", type));
        }
    }
    if (parts.empty() && calls.empty()) return;
    json::object made{{"role", role}};
    const bool only_text = parts.size() == 1 && text(parts.front().get_object(), "type") == "text";
    if (only_text) {
        made["content"] = parts.front().get_object().at("text");
    } else {
        made["content"] = parts.empty() ? json::value(nullptr) : json::value(std::move(parts));
    }
    if (!reasoning.empty()) made["reasoning_content"] = reasoning;
    if (!calls.empty()) made["tool_calls"] = std::move(calls);
    out.push_back(std::move(made));
}

void add_tools(const json::object& asked, json::object& request) {
    if (const json::value* tools = asked.if_contains("tools"); tools && tools->is_array()) {
        json::array made;
        for (const json::value& value : tools->get_array()) {
            const json::object& tool = object_of(value, "tools");
            const json::value* schema = tool.if_contains("input_schema");
            made.push_back(json::object{{"type", "function"},
                                        {"function",
                                         {{"name", text(tool, "name")},
                                          {"description", text(tool, "description")},
                                          {"parameters", schema ? *schema : json::value(json::object())}}}});
        }
        if (!made.empty()) request["tools"] = std::move(made);
    }
    const json::value* choice = asked.if_contains("tool_choice");
    if (!choice || !choice->is_object()) return;
    const std::string type = text(choice->get_object(), "type");
    if (type == "any") {
        request["tool_choice"] = "required";
    } else if (type == "tool") {
        request["tool_choice"] = {{"type", "function"}, {"function", {{"name", text(choice->get_object(), "name")}}}};
    } else if (type == "auto" || type == "none") {
        request["tool_choice"] = type;
    }
}

std::string_view stop_reason_of(std::string_view finish_reason) {
    if (finish_reason == "length") return "max_tokens";
    if (finish_reason == "tool_calls" || finish_reason == "function_call") return "tool_use";
    if (finish_reason == "content_filter") return "refusal";
    return "end_turn";
}

// input_tokens leaves out what was cached.
json::object usage_of(const TokenCounts& tokens) {
    const std::int64_t cached = tokens.cached.value_or(0);
    return {{"input_tokens", std::max<std::int64_t>(0, tokens.in.value_or(0) - cached)},
            {"cache_read_input_tokens", cached},
            {"output_tokens", tokens.out.value_or(0)}};
}

json::value input_of(const std::string& arguments) {
    try {
        json::value value = parse_json(arguments.empty() ? "{}" : arguments);
        if (value.is_object()) return value;
    } catch (const Error&) {
        // the model has written something else
    }
    return json::object{{"arguments", arguments}};
}

std::string event(std::string_view type, json::object data) {
    json::object whole{{"type", type}};
    for (auto& member : data)
        whole.insert(member);
    return fmt::format("event: {}\ndata: {}\n\n", type, json::serialize(whole));
}

}  // namespace

Translated read_messages(std::string_view body) {
    const json::value value = parse_json(body);
    const json::object& asked = object_of(value, "body");
    Translated translated{.model = text(asked, "model"), .stream = false, .target = "/v1/chat/completions", .body = {}};
    const json::value* stream = asked.if_contains("stream");
    translated.stream = stream && stream->is_bool() && stream->get_bool();
    json::array messages;
    if (const json::value* system = asked.if_contains("system")) {
        if (std::string words = words_of(*system); !words.empty()) {
            messages.push_back(json::object{{"role", "system"}, {"content", std::move(words)}});
        }
    }
    const json::value* given = asked.if_contains("messages");
    if (!given || !given->is_array()) refuse("messages", {"is no list", "不是列表"});
    for (const json::value& message : given->get_array())
        add_message(object_of(message, "messages"), messages);
    json::object request{{"messages", std::move(messages)}, {"stream", translated.stream}};
    if (translated.stream) request["stream_options"] = {{"include_usage", true}};
    for (const auto& [ours, theirs] : {std::pair<std::string_view, std::string_view>{"max_tokens", "max_tokens"},
                                       {"temperature", "temperature"},
                                       {"top_p", "top_p"},
                                       {"top_k", "top_k"},
                                       {"stop_sequences", "stop"}}) {
        if (const json::value* field = asked.if_contains(ours)) request[theirs] = *field;
    }
    add_tools(asked, request);
    translated.body = json::serialize(request);
    return translated;
}

std::string answer(const std::string& model, std::string_view body, const TokenCounts& tokens) {
    const Delta delta = read_delta(body);
    json::array content;
    if (!delta.reasoning.empty()) {
        content.push_back(json::object{{"type", "thinking"}, {"thinking", delta.reasoning}, {"signature", ""}});
    }
    if (!delta.text.empty() || delta.tool_calls.empty()) {
        content.push_back(json::object{{"type", "text"}, {"text", delta.text}});
    }
    for (const ToolCall& call : delta.tool_calls) {
        content.push_back(json::object{
            {"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", input_of(call.arguments)}});
    }
    return json::serialize(json::object{{"id", delta.id.empty() ? "msg_" + make_uuid_v7() : delta.id},
                                        {"type", "message"},
                                        {"role", "assistant"},
                                        {"model", model},
                                        {"content", std::move(content)},
                                        {"stop_reason", stop_reason_of(delta.finish_reason)},
                                        {"stop_sequence", nullptr},
                                        {"usage", usage_of(tokens)}});
}

void EventWriter::start(const std::string& id, std::string& out) {
    if (std::exchange(started_, true)) return;
    out += event("message_start", {{"message",
                                    {{"id", id.empty() ? "msg_" + make_uuid_v7() : id},
                                     {"type", "message"},
                                     {"role", "assistant"},
                                     {"model", model_},
                                     {"content", json::array()},
                                     {"stop_reason", nullptr},
                                     {"stop_sequence", nullptr},
                                     {"usage", {{"input_tokens", 0}, {"output_tokens", 0}}}}}});
}

void EventWriter::close(std::string& out) {
    if (block_ == Block::none) return;
    out += event("content_block_stop", {{"index", index_}});
    block_ = Block::none;
}

void EventWriter::open(Block block, std::string& out) {
    if (block_ == block) return;
    close(out);
    block_ = block;
    ++index_;
    out += event("content_block_start",
                 {{"index", index_},
                  {"content_block", block == Block::text
                                        ? json::object{{"type", "text"}, {"text", ""}}
                                        : json::object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}}});
}

void EventWriter::open_tool(const ToolCall& call, std::size_t place, std::string& out) {
    if (block_ == Block::tool && tool_place_ == place) return;
    close(out);
    block_ = Block::tool;
    tool_place_ = place;
    ++index_;
    out += event(
        "content_block_start",
        {{"index", index_},
         {"content_block", {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", json::object()}}}});
}

std::string EventWriter::events(const Delta& delta) {
    std::string out;
    start(delta.id, out);
    if (!delta.finish_reason.empty()) finish_reason_ = delta.finish_reason;
    const auto say = [&](std::string_view type, std::string_view field, const std::string& words) {
        out += event("content_block_delta", {{"index", index_}, {"delta", {{"type", type}, {field, words}}}});
    };
    if (!delta.reasoning.empty()) {
        open(Block::thinking, out);
        say("thinking_delta", "thinking", delta.reasoning);
    }
    if (!delta.text.empty()) {
        open(Block::text, out);
        say("text_delta", "text", delta.text);
    }
    for (std::size_t i = 0; i < delta.tool_calls.size(); ++i) {
        open_tool(delta.tool_calls[i], delta.tool_places[i], out);
        if (!delta.tool_calls[i].arguments.empty()) {
            say("input_json_delta", "partial_json", delta.tool_calls[i].arguments);
        }
    }
    return out;
}

std::string EventWriter::end(const TokenCounts& tokens) {
    std::string out;
    start({}, out);
    close(out);
    out += event("message_delta",
                 {{"delta", {{"stop_reason", stop_reason_of(finish_reason_)}, {"stop_sequence", nullptr}}},
                  {"usage", usage_of(tokens)}});
    out += event("message_stop", {});
    return out;
}

}  // namespace llmm::gateway::anthropic
