#include "features/chat/chat_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"
#include "features/chat/chat_fields_json.hpp"

#include <boost/json.hpp>

namespace llmm::chat {
namespace {

// The contract's bounds; lengths are characters.
constexpr std::size_t kMaxReference = 128, kMaxName = 200, kMaxContent = 200'000;
constexpr std::size_t kMaxFolder = 100, kMaxTags = 20, kMaxTag = 50;

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

void refuse_null(ObjectReader& in, std::string_view name) {
    if (in.is_null(name)) in.add_problem(name, Text{"can't be null", "不能为 null"});
}

std::optional<std::string> read_name(ObjectReader& in) {
    auto name = in.string("name", {.min_length = 1, .max_length = kMaxName});
    refuse_nul(in, "name", name);
    return name;
}

std::optional<std::string> read_folder(ObjectReader& in) {
    auto folder = in.string("folder", {.max_length = kMaxFolder});
    refuse_nul(in, "folder", folder);
    return folder;
}

std::optional<std::vector<std::string>> read_tags(ObjectReader& in) {
    auto tags =
        in.strings("tags", {.max_items = kMaxTags, .item = {.min_length = 1, .max_length = kMaxTag}, .unique = true});
    if (tags) {
        for (const std::string& tag : *tags)
            refuse_nul(in, "tags", tag);
    }
    return tags;
}

std::optional<MessageId> read_message_id(ObjectReader& in, std::string_view name) {
    const auto text = in.string(name, {.max_length = kMaxReference});
    if (!text) return std::nullopt;
    auto id = MessageId::parse(*text);
    if (!id) in.add_problem(name, Text{"is no id", "不是有效的 id"}, Text{"a UUID", "UUID"});
    return id;
}

NewMessage read_message(ObjectReader& in) {
    NewMessage message;
    message.content = in.required_string("content", {.min_length = 1, .max_length = kMaxContent});
    refuse_nul(in, "content", message.content);
    message.parent_id = read_message_id(in, "parent_id");
    message.edit_of = read_message_id(in, "edit_of");
    if (message.parent_id && message.edit_of) {
        in.add_problem("parent_id", Text{"excludes edit_of", "不能与 edit_of 同时使用"});
    }
    message.attachments = read_attachments(in, false);
    return message;
}

json::value to_json(const Attachment& attachment) {
    return json::object{
        {"name", attachment.name}, {"size", attachment.content.size()}, {"content", attachment.content}};
}

json::value to_json(const ContextUse& context) {
    return json::object{{"policy", name_of(context.policy)},      {"context_size", context.context_size},
                        {"prompt_tokens", context.prompt_tokens}, {"dropped_messages", context.dropped_messages},
                        {"summary", or_null(context.summary)},    {"summary_until", id_or_null(context.summary_until)}};
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

json::array attachments_json(const std::vector<Attachment>& attachments) {
    json::array list;
    for (const Attachment& attachment : attachments)
        list.push_back(to_json(attachment));
    return list;
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
    if (config.context_policy) object.emplace("context_policy", name_of(*config.context_policy));
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
    if (metadata.context) object.emplace("context", to_json(*metadata.context));
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
    request.folder = read_folder(in).value_or("");
    request.tags = read_tags(in).value_or(std::vector<std::string>());
    in.finish();
    return request;
}

SessionChanges parse_session_changes(const json::value& body) {
    ObjectReader in(body);
    SessionChanges changes;
    changes.deployment = in.string("deployment_id", {.min_length = 1, .max_length = kMaxReference});
    changes.name = read_name(in);
    changes.config = read_config_field(in);
    changes.folder = read_folder(in);
    changes.tags = read_tags(in);
    changes.active_message_id = read_message_id(in, "active_message_id");
    std::string names;
    for (const auto* name : {"deployment_id", "name", "config", "folder", "tags", "active_message_id"}) {
        refuse_null(in, name);
        names += (names.empty() ? "" : ", ") + std::string(name);
    }
    if (const auto* object = body.if_object(); object && object->empty()) {
        in.add_problem("", Text{"changes nothing", "没有任何更改"}, Text{names, names});
    }
    in.finish();
    return changes;
}

MessageRequest parse_message_request(const json::value& body) {
    ObjectReader in(body);
    MessageRequest request{.message = read_message(in)};
    request.stream = in.boolean("stream").value_or(false);
    request.detached = in.boolean("detached").value_or(false);
    in.finish();
    return request;
}

RegenerateRequest parse_regenerate_request(const json::value& body) {
    ObjectReader in(body);
    RegenerateRequest request{in.boolean("stream").value_or(false), in.boolean("detached").value_or(false)};
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
                        {"folder", or_null(session.folder)},
                        {"tags", json::value_from(session.tags)},
                        {"active_message_id", id_or_null(session.active_message_id)},
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
                        {"attachments", attachments_json(message.attachments)},
                        {"created_at", to_rfc3339(message.created_at)},
                        {"updated_at", to_rfc3339(message.updated_at)}};
}

json::value to_json(const ReplyStarted& event) {
    return json::object{{"message", to_json(event.message)}, {"user_message", to_json(event.user_message)}};
}

json::value to_json(const ReplyQueued& event) {
    return json::object{{"message_id", event.message_id.str()}, {"position", event.position}};
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
                        {"timings", json_or_null(metadata.timings)},
                        {"context", json_or_null(metadata.context)}};
}

std::string to_text(const ChatConfig& config) {
    return json::serialize(config_json(config));
}
std::string to_text(const Metadata& metadata) {
    return json::serialize(metadata_json(metadata));
}

std::string to_text(const std::vector<std::string>& tags) {
    return json::serialize(json::value_from(tags));
}
std::string to_text(const std::vector<Attachment>& attachments) {
    json::array list;
    for (const Attachment& attachment : attachments)
        list.push_back(json::object{{"name", attachment.name}, {"content", attachment.content}});
    return json::serialize(list);
}

std::vector<std::string> tags_from_text(std::string_view text) {
    if (text == "[]") return {};
    return json::value_to<std::vector<std::string>>(parse_own_json(text));
}

std::vector<Attachment> attachments_from_text(std::string_view text) {
    std::vector<Attachment> attachments;
    if (text == "[]") return attachments;  // nearly all messages
    const json::value list = parse_own_json(text);
    for (const json::value& item : list.as_array()) {
        attachments.push_back({std::string(item.at("name").as_string()), std::string(item.at("content").as_string())});
    }
    return attachments;
}

ChatConfig config_from_text(std::string_view text) {
    const json::value value = parse_own_json(text);
    ObjectReader in(value);
    ChatConfig config = read_config(in);
    in.finish();
    return config;
}

Metadata metadata_from_text(std::string_view text) {
    if (text == "{}") return {};  // what people write
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
    if (const auto* context = nested(object, "context")) {
        ContextUse use;
        use.policy = parse_context_policy(field<std::string>(*context, "policy").value_or("")).value_or(use.policy);
        use.context_size = field<std::int64_t>(*context, "context_size").value_or(0);
        use.prompt_tokens = field<std::int64_t>(*context, "prompt_tokens").value_or(0);
        use.dropped_messages = field<std::int64_t>(*context, "dropped_messages").value_or(0);
        use.summary = field<std::string>(*context, "summary");
        if (auto until = field<std::string>(*context, "summary_until")) {
            use.summary_until = MessageId::trusted(std::move(*until));
        }
        metadata.context = std::move(use);
    }
    return metadata;
}

}  // namespace llmm::chat
