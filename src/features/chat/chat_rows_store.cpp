#include "features/chat/chat_rows_store.hpp"

#include "features/chat/chat_json.hpp"
#include "features/chat/words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace llmm::chat {

using storage::Row;

Session session_from(const Row& row) {
    Session session{.id = SessionId::trusted(row.text(0)), .name = row.text(2)};
    if (auto deployment = row.optional_text(1)) session.deployment_id = DeploymentId::trusted(std::move(*deployment));
    session.config = config_from_text(row.text(3));
    session.message_count = row.int64(4);
    session.created_at = row.time(5);
    session.updated_at = row.time(6);
    session.name_origin = parse_name_origin(row.text(7)).value_or(NameOrigin::chosen);
    session.folder = row.optional_text(8);
    session.tags = tags_from_text(row.text(9));
    if (auto active = row.optional_text(10)) session.active_message_id = MessageId::trusted(std::move(*active));
    return session;
}

Message message_from(const Row& row) {
    const auto role = parse_role(row.text(3));
    const auto status = parse_message_status(row.text(5));
    if (!role || !status) {
        throw Error(ErrorCode::internal, {"a stored message is of an unknown kind", "存储的消息类型未知"});
    }
    Message message{.id = MessageId::trusted(row.text(0)), .session_id = SessionId::trusted(row.text(1))};
    if (auto parent = row.optional_text(2)) message.parent_id = MessageId::trusted(std::move(*parent));
    message.role = *role;
    message.content = row.text(4);
    message.status = *status;
    message.metadata = metadata_from_text(row.text(6));
    message.created_at = row.time(7);
    message.updated_at = row.time(8);
    message.attachments = attachments_from_text(row.text(9));
    return message;
}

std::optional<Session> select_session(storage::Session& sql, const SessionId& id) {
    return sql.query_one(fmt::format("SELECT {} FROM chat_sessions WHERE id = ?", kSessionColumns), session_from, id);
}

std::optional<Message> select_message(storage::Session& sql, const MessageId& id) {
    return sql.query_one(fmt::format("SELECT {} FROM chat_messages m WHERE m.id = ?", kMessageColumns), message_from,
                         id);
}

void insert_session(storage::Session& sql, const Session& session) {
    sql.execute(
        "INSERT INTO chat_sessions (id, deployment_id, name, config, message_count, created_at, updated_at, "
        "name_origin, folder, tags, active_message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        session.id, session.deployment_id, session.name, to_text(session.config), session.message_count,
        session.created_at, session.updated_at, name_of(session.name_origin), session.folder, to_text(session.tags),
        session.active_message_id);
    for (const std::string& tag : session.tags)
        sql.execute("INSERT INTO chat_session_tags (session_id, tag) VALUES (?, ?)", session.id, tag);
}

void insert_message(storage::Session& sql, const Message& message) {
    sql.execute(
        "INSERT INTO chat_messages (id, session_id, parent_id, role, content, status, metadata, created_at, "
        "updated_at, attachments, depth) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "(SELECT COALESCE(max(p.depth), 0) + 1 FROM chat_messages p WHERE p.id = ?))",
        message.id, message.session_id, message.parent_id, name_of(message.role), message.content,
        name_of(message.status), to_text(message.metadata), message.created_at, message.updated_at,
        to_text(message.attachments), message.parent_id);
}

MessageId select_leaf(storage::Session& sql, const MessageId& id) {
    const auto leaf = sql.query_one(
        "WITH RECURSIVE down (id) AS (SELECT CAST(? AS TEXT) UNION ALL "
        "SELECT (SELECT m.id FROM chat_messages m WHERE m.parent_id = down.id ORDER BY m.id DESC LIMIT 1) "
        "FROM down WHERE down.id IS NOT NULL) SELECT max(id) FROM down",
        [](const Row& row) { return MessageId::trusted(row.text(0)); }, id);
    return leaf.value_or(id);
}

void index_message(storage::Session& sql, const Message& message) {
    std::string text = message.content;
    for (const Attachment& attachment : message.attachments)
        text += "\n" + attachment.name + "\n" + attachment.content;
    const std::string words = fmt::format("{}", fmt::join(words_of(text), " "));
    if (sql.dialect() == storage::Dialect::postgresql) {
        sql.execute(
            "INSERT INTO chat_message_index (message_id, words) VALUES (?, "
            "array_to_tsvector(string_to_array(CAST(? AS TEXT), ' '))) ON CONFLICT (message_id) DO NOTHING",
            message.id, words);
        return;
    }
    if (sql.execute("INSERT INTO chat_message_index (message_id) VALUES (?) ON CONFLICT (message_id) DO NOTHING",
                    message.id) > 0) {
        sql.execute(
            "INSERT INTO chat_message_words (rowid, words) SELECT id, ? FROM chat_message_index WHERE message_id = ?",
            words, message.id);
    }
}

void no_session(const SessionId& id) {
    fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在", id.str());
}

void no_message(const MessageId& id) {
    fail(ErrorCode::message_not_found, "there is no message {}", "消息 {} 不存在", id.str());
}

}  // namespace llmm::chat
