#include "features/chat/chat_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::chat {
namespace {

// The contract's bounds; lengths are characters.
constexpr std::size_t kMaxReference = 128, kMaxName = 200, kMaxContent = 200'000, kMaxSystemPrompt = 65'536;
constexpr std::size_t kMaxStops = 16, kMaxStop = 256;

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

template <class T>
void put(json::object& object, std::string_view name, const std::optional<T>& value) {
    if (value) object.emplace(name, json::value_from(*value));
}

template <class T>
json::value id_or_null(const std::optional<T>& id) {
    return id ? json::value(id->str()) : json::value(nullptr);
}

// PostgreSQL stores no NUL in a text, so neither do we.
void refuse_nul(ObjectReader& in, std::string_view name, const std::optional<std::string>& text) {
    if (text && text->find('\0') != std::string::npos) {
        in.add_problem(name, Text{"contains the character U+0000", "包含字符 U+0000"});
    }
}

void refuse_null(ObjectReader& in, std::string_view name) {
    if (in.is_null(name)) in.add_problem(name, Text{"can't be null", "不能为 null"});
}

ChatConfig read_config(ObjectReader& in) {
    ChatConfig config;
    config.system_prompt = in.string("system_prompt", {.max_length = kMaxSystemPrompt});
    config.temperature = in.number("temperature", {.min = 0, .max = 2});
    config.top_p = in.number("top_p", {.min = 0, .max = 1});
    config.top_k = in.integer("top_k", {.min = 0, .max = 1000});
    config.min_p = in.number("min_p", {.min = 0, .max = 1});
    config.max_tokens = in.integer("max_tokens", {.min = 1, .max = 1'048'576});
    config.stop = in.strings("stop", {.max_items = kMaxStops, .item = {.min_length = 1, .max_length = kMaxStop}});
    config.seed = in.integer("seed", {.min = 0, .max = 4'294'967'295});
    config.presence_penalty = in.number("presence_penalty", {.min = -2, .max = 2});
    config.frequency_penalty = in.number("frequency_penalty", {.min = -2, .max = 2});
    config.repeat_penalty = in.number("repeat_penalty", {.min = 0, .max = 2});
    return config;
}

std::optional<ChatConfig> read_config_field(ObjectReader& in) {
    const json::value* value = in.object("config");
    if (!value) return std::nullopt;
    ObjectReader nested(*value);
    ChatConfig config = read_config(nested);
    in.absorb("config", nested);
    return config;
}

std::optional<std::string> read_name(ObjectReader& in) {
    auto name = in.string("name", {.min_length = 1, .max_length = kMaxName});
    refuse_nul(in, "name", name);
    return name;
}

NewMessage read_message(ObjectReader& in) {
    NewMessage message;
    message.content = in.required_string("content", {.min_length = 1, .max_length = kMaxContent});
    refuse_nul(in, "content", message.content);
    if (const auto parent = in.string("parent_id", {.max_length = kMaxReference})) {
        message.parent_id = MessageId::parse(*parent);
        if (!message.parent_id) in.add_problem("parent_id", Text{"is no id", "不是有效的 id"}, Text{"a UUID", "UUID"});
    }
    return message;
}

json::value to_json(const Usage& usage) {
    return json::object{{"prompt_tokens", or_null(usage.prompt_tokens)},
                        {"completion_tokens", or_null(usage.completion_tokens)},
                        {"total_tokens", or_null(usage.total_tokens)}};
}

json::value to_json(const Timings& timings) {
    return json::object{{"time_to_first_token_ms", or_null(timings.time_to_first_token_ms)},
                        {"total_ms", or_null(timings.total_ms)},
                        {"tokens_per_second", or_null(timings.tokens_per_second)}};
}

template <class T>
json::value json_or_null(const std::optional<T>& value) {
    return value ? to_json(*value) : json::value(nullptr);
}

json::object config_json(const ChatConfig& config) {
    json::object object;
    put(object, "system_prompt", config.system_prompt);
    put(object, "temperature", config.temperature);
    put(object, "top_p", config.top_p);
    put(object, "top_k", config.top_k);
    put(object, "min_p", config.min_p);
    put(object, "max_tokens", config.max_tokens);
    put(object, "stop", config.stop);
    put(object, "seed", config.seed);
    put(object, "presence_penalty", config.presence_penalty);
    put(object, "frequency_penalty", config.frequency_penalty);
    put(object, "repeat_penalty", config.repeat_penalty);
    return object;
}

json::object metadata_json(const Metadata& metadata) {
    json::object object;
    if (metadata.usage) object.emplace("usage", to_json(*metadata.usage));
    if (metadata.timings) object.emplace("timings", to_json(*metadata.timings));
    put(object, "finish_reason", metadata.finish_reason);
    put(object, "model", metadata.model);
    if (metadata.error) {
        object.emplace("error",
                       json::object{{"error", name_of(metadata.error->error)}, {"message", metadata.error->message}});
    }
    return object;
}

// For what to_text() wrote: a field that is missing or null is empty, any other type is a fault of ours.
template <class T>
std::optional<T> field(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || value->is_null()) return std::nullopt;
    return json::value_to<T>(*value);
}

const json::object* nested(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value ? value->if_object() : nullptr;
}

}  // namespace

SessionRequest parse_session_request(const json::value& body) {
    ObjectReader in(body);
    SessionRequest request;
    request.deployment = in.required_string("deployment_id", {.min_length = 1, .max_length = kMaxReference});
    request.name = read_name(in);
    request.config = read_config_field(in).value_or(ChatConfig{});
    in.finish();
    return request;
}

SessionChanges parse_session_changes(const json::value& body) {
    ObjectReader in(body);
    SessionChanges changes;
    changes.deployment = in.string("deployment_id", {.min_length = 1, .max_length = kMaxReference});
    changes.name = read_name(in);
    changes.config = read_config_field(in);
    for (const auto* name : {"deployment_id", "name", "config"})
        refuse_null(in, name);
    if (const auto* object = body.if_object(); object && object->empty()) {
        in.add_problem("", Text{"changes nothing", "没有任何更改"},
                       Text{"deployment_id, name, config", "deployment_id, name, config"});
    }
    in.finish();
    return changes;
}

MessageRequest parse_message_request(const json::value& body) {
    ObjectReader in(body);
    MessageRequest request{.message = read_message(in)};
    request.stream = in.boolean("stream").value_or(false);
    in.finish();
    return request;
}

ChatCommand parse_chat_command(std::string_view frame) {
    const json::value value = parse_json(frame);
    ObjectReader in(value);
    const auto type = in.choice("type", {"message", "stop"});
    if (!type && !in.has("type"))
        in.add_problem("type", Text{"is required", "为必填项"}, Text{"message, stop", "message, stop"});
    ChatCommand command = StopCommand{};
    if (type != "stop") command = read_message(in);
    in.finish();
    return command;
}

json::value to_json(const Session& session) {
    return json::object{{"id", session.id.str()},
                        {"deployment_id", id_or_null(session.deployment_id)},
                        {"name", session.name},
                        {"config", config_json(session.config)},
                        {"message_count", session.message_count},
                        {"created_at", to_rfc3339(session.created_at)},
                        {"updated_at", to_rfc3339(session.updated_at)}};
}

json::value to_json(const Message& message) {
    return json::object{{"id", message.id.str()},
                        {"session_id", message.session_id.str()},
                        {"parent_id", id_or_null(message.parent_id)},
                        {"role", name_of(message.role)},
                        {"content", message.content},
                        {"status", name_of(message.status)},
                        {"metadata", metadata_json(message.metadata)},
                        {"created_at", to_rfc3339(message.created_at)},
                        {"updated_at", to_rfc3339(message.updated_at)}};
}

json::value to_json(const ReplyStarted& event) {
    return json::object{{"message", to_json(event.message)}, {"user_message", to_json(event.user_message)}};
}

json::value to_json(const ReplyDelta& event) {
    return json::object{{"message_id", event.message_id.str()}, {"content", event.content}};
}

json::value to_json(const ReplyEnded& event) {
    const Metadata& metadata = event.message.metadata;
    return json::object{{"message_id", event.message.id.str()},
                        {"status", name_of(event.message.status)},
                        {"finish_reason", or_null(metadata.finish_reason)},
                        {"usage", json_or_null(metadata.usage)},
                        {"timings", json_or_null(metadata.timings)}};
}

std::string to_text(const ChatConfig& config) {
    return json::serialize(config_json(config));
}
std::string to_text(const Metadata& metadata) {
    return json::serialize(metadata_json(metadata));
}

ChatConfig config_from_text(std::string_view text) {
    const json::value value = parse_own_json(text);
    ObjectReader in(value);
    ChatConfig config = read_config(in);
    in.finish();
    return config;
}

Metadata metadata_from_text(std::string_view text) {
    const json::value value = parse_own_json(text);
    const json::object& object = value.as_object();
    Metadata metadata;
    if (const auto* usage = nested(object, "usage")) {
        metadata.usage =
            Usage{field<std::int64_t>(*usage, "prompt_tokens"), field<std::int64_t>(*usage, "completion_tokens"),
                  field<std::int64_t>(*usage, "total_tokens")};
    }
    if (const auto* timings = nested(object, "timings")) {
        metadata.timings = Timings{field<double>(*timings, "time_to_first_token_ms"),
                                   field<double>(*timings, "total_ms"), field<double>(*timings, "tokens_per_second")};
    }
    metadata.finish_reason = field<std::string>(object, "finish_reason");
    metadata.model = field<std::string>(object, "model");
    if (const auto* error = nested(object, "error")) {
        metadata.error = MessageFailure{error_code_named(field<std::string>(*error, "error").value_or("")),
                                        field<std::string>(*error, "message").value_or("")};
    }
    return metadata;
}

}  // namespace llmm::chat
