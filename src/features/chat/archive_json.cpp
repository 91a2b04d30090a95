#include "features/chat/archive_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"
#include "features/chat/chat_fields_json.hpp"
#include "features/chat/chat_json.hpp"

#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::chat {
namespace {

constexpr std::string_view kFormat = "llm-manager.chat";
constexpr std::size_t kMaxMessages = 200'000;
constexpr std::size_t kMaxContent = 16 << 20;  // characters; a reply may be longer than a question
constexpr std::size_t kMaxProblems = 20;       // files are large; who sent the wrong one need not hear it of each line

[[noreturn]] void refuse(Details problems) {
    throw Error(ErrorCode::validation_failed, Text{"the file can't be imported", "无法导入该文件"},
                std::move(problems));
}

FieldProblem problem(Text what, Text allowed = {}) {
    return {std::move(what), std::move(allowed)};
}

std::optional<TimePoint> time_at(ObjectReader& in, std::string_view name) {
    const auto text = in.string(name, {.max_length = 40});
    if (!text) return std::nullopt;
    const auto time = parse_rfc3339(*text);
    if (!time) in.add_problem(name, Text{"is no time", "不是有效的时间"}, Text{"RFC 3339", "RFC 3339"});
    return time;
}

Message read_message(ObjectReader& in) {
    Message message{.id = MessageId::trusted({}), .session_id = SessionId::trusted({})};
    message.role = parse_role(in.choice("role", {"system", "user", "assistant"}).value_or("")).value_or(Role::user);
    if (!in.has("role")) in.add_problem("role", Text{"is required", "为必填项"});
    message.content = in.required_string("content", {.max_length = kMaxContent});
    if (message.content.find('\0') != std::string::npos) {
        in.add_problem("content", Text{"contains the character U+0000", "包含字符 U+0000"});
    }
    const auto status = in.choice("status", {"complete", "partial", "failed", "streaming"}).value_or("complete");
    message.status = parse_message_status(status).value_or(MessageStatus::complete);
    // Nobody writes it any more.
    if (message.status == MessageStatus::streaming) message.status = MessageStatus::partial;
    message.created_at = time_at(in, "created_at").value_or(now());
    message.updated_at = time_at(in, "updated_at").value_or(message.created_at);
    if (const json::value* metadata = in.object("metadata")) {
        try {
            message.metadata = metadata_from_text(json::serialize(*metadata));
            // It names messages by ids that are gone after an import.
            if (message.metadata.context) message.metadata.context->summary_until.reset();
        } catch (const std::exception&) {
            in.add_problem("metadata", Text{"is not as it was exported", "与导出的内容不一致"});
        }
    }
    message.attachments = read_attachments(in, true);
    return message;
}

ArchivedMessage read_archived(ObjectReader& in) {
    ArchivedMessage archived{.message = read_message(in)};
    archived.id = in.required_string("id", {.min_length = 1, .max_length = 128});
    archived.parent_id = in.string("parent_id", {.max_length = 128});
    in.string("session_id", {.max_length = 128});
    return archived;
}

ArchivedSession read_session(const json::value& value) {
    ObjectReader in(value);
    ArchivedSession session;
    session.name = in.required_string("name", {.min_length = 1, .max_length = 200});
    session.folder = in.string("folder", {.max_length = 100});
    session.tags = in.strings("tags", {.max_items = 20, .item = {.min_length = 1, .max_length = 50}, .unique = true})
                       .value_or(std::vector<std::string>());
    session.active_message_id = in.string("active_message_id", {.max_length = 128});
    session.config = read_config_field(in).value_or(ChatConfig{});
    // Of the service that it comes from; they mean nothing here.
    for (const auto* name : {"id", "deployment_id", "created_at", "updated_at"})
        in.string(name, {.max_length = 128});
    in.integer("message_count", {.min = 0});
    in.finish();
    return session;
}

void read_messages(const json::array& list, ArchivedSession& session) {
    std::set<std::string> seen;
    Details problems;
    for (std::size_t i = 0; i < list.size() && problems.size() < kMaxProblems; ++i) {
        try {
            ObjectReader in(list[i]);
            ArchivedMessage message = read_archived(in);
            if (message.parent_id && !seen.contains(*message.parent_id)) {
                in.add_problem("parent_id", Text{"is no message before this one", "不是此前的消息"});
            }
            if (!seen.insert(message.id).second) in.add_problem("id", Text{"is there twice", "重复出现"});
            in.finish();
            session.messages.push_back(std::move(message));
        } catch (const Error& error) {
            for (const Detail& detail : error.details())
                problems.push_back({fmt::format("messages.{}.{}", i, detail.name), detail.value});
        }
    }
    if (!problems.empty()) refuse(std::move(problems));
    if (session.active_message_id && !seen.contains(*session.active_message_id)) session.active_message_id.reset();
}

}  // namespace

json::object to_archive_json(const Session& session) {
    return {{"format", kFormat}, {"version", 1}, {"session", to_json(session)}, {"messages", json::array()}};
}

ArchivedSession parse_archive(const json::value& body) {
    const json::object* object = body.if_object();
    if (!object) refuse({{"", problem({"has the wrong type", "类型错误"}, {"an object", "对象"})}});
    // An export as it was answered, saved whole.
    if (const json::value* data = object->if_contains("data"); data && object->contains("success")) {
        object = data->if_object();
        if (!object) refuse({{"data", problem({"has the wrong type", "类型错误"}, {"an object", "对象"})}});
    }
    Details problems;
    for (const auto& member : *object) {
        const std::string_view name = member.key();
        if (name != "format" && name != "version" && name != "session" && name != "messages") {
            problems.push_back({std::string(name), problem({"is not known", "未知字段"})});
        }
    }
    const json::value *format = object->if_contains("format"), *version = object->if_contains("version"),
                      *session = object->if_contains("session"), *messages = object->if_contains("messages");
    if (!format || *format != json::value(kFormat)) {
        problems.push_back({"format", problem({"is not an export of this program", "不是本程序导出的格式"},
                                              {std::string(kFormat), std::string(kFormat)})});
    }
    if (!version || *version != json::value(1)) {
        problems.push_back({"version", problem({"is not supported", "不支持该版本"}, {"1", "1"})});
    }
    if (!session) problems.push_back({"session", problem({"is required", "为必填项"})});
    if (!messages || !messages->is_array() || messages->get_array().size() > kMaxMessages) {
        problems.push_back({"messages", problem({"must be a list", "必须为列表"},
                                                Text::format("at most {} items", "最多 {} 项", kMaxMessages))});
    }
    if (!problems.empty()) refuse(std::move(problems));
    ArchivedSession archived = read_session(*session);
    read_messages(messages->get_array(), archived);
    return archived;
}

json::value to_json(const SearchHit& hit) {
    return json::object{{"session_id", hit.message.session_id.str()},
                        {"session_name", hit.session_name},
                        {"message_id", hit.message.id.str()},
                        {"role", name_of(hit.message.role)},
                        {"excerpt", hit.excerpt},
                        {"created_at", to_rfc3339(hit.message.created_at)}};
}

}  // namespace llmm::chat
