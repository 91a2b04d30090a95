#include "features/chat/chat_store.hpp"

#include "features/chat/chat_json.hpp"
#include "storage/database.hpp"

#include <fmt/format.h>

namespace llmm::chat {
namespace {

using storage::Cursor;
using storage::Params;
using storage::Row;

constexpr std::string_view kSessionColumns = "id, deployment_id, name, config, message_count, created_at, updated_at";
constexpr std::string_view kMessageColumns =
    "id, session_id, parent_id, role, content, status, metadata, created_at, updated_at";

Session session_from(const Row& row) {
    Session session{.id = SessionId::trusted(row.text(0)), .name = row.text(2)};
    if (auto deployment = row.optional_text(1)) session.deployment_id = DeploymentId::trusted(std::move(*deployment));
    session.config = config_from_text(row.text(3));
    session.message_count = row.int64(4);
    session.created_at = row.time(5);
    session.updated_at = row.time(6);
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
    return message;
}

std::optional<Session> select_session(storage::Session& sql, const SessionId& id) {
    return sql.query_one(fmt::format("SELECT {} FROM chat_sessions WHERE id = ?", kSessionColumns), session_from, id);
}

void insert_message(storage::Session& sql, const Message& message) {
    sql.execute(
        "INSERT INTO chat_messages (id, session_id, parent_id, role, content, status, metadata, created_at, "
        "updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        message.id, message.session_id, message.parent_id, name_of(message.role), message.content,
        name_of(message.status), to_text(message.metadata), message.created_at, message.updated_at);
}

// The message itself and all before it, the root first.
std::vector<Message> select_chain(storage::Session& sql, const MessageId& id) {
    return sql.query(
        "WITH RECURSIVE chain (id, session_id, parent_id, role, content, status, metadata, created_at, updated_at, "
        "depth) "
        "AS (SELECT id, session_id, parent_id, role, content, status, metadata, created_at, updated_at, 0 "
        "FROM chat_messages WHERE id = ? "
        "UNION ALL SELECT m.id, m.session_id, m.parent_id, m.role, m.content, m.status, m.metadata, m.created_at, "
        "m.updated_at, chain.depth + 1 FROM chat_messages m JOIN chain ON m.id = chain.parent_id) "
        "SELECT id, session_id, parent_id, role, content, status, metadata, created_at, updated_at "
        "FROM chain ORDER BY depth DESC",
        message_from, id);
}

std::optional<MessageId> select_parent(storage::Session& sql, const SessionId& session,
                                       const std::optional<MessageId>& wanted) {
    const auto id_of = [](const Row& row) { return MessageId::trusted(row.text(0)); };
    if (!wanted) {
        return sql.query_one("SELECT id FROM chat_messages WHERE session_id = ? ORDER BY id DESC LIMIT 1", id_of,
                             session);
    }
    auto parent =
        sql.query_one("SELECT id FROM chat_messages WHERE id = ? AND session_id = ?", id_of, *wanted, session);
    if (!parent)
        fail(ErrorCode::message_not_found, "this session has no message {}", "该会话中没有消息 {}", wanted->str());
    return parent;
}

[[noreturn]] void no_session(const SessionId& id) {
    fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在", id.str());
}

// The only foreign key of a session is its deployment.
[[noreturn]] void rethrow_for_session(const Error& error, const Session& session) {
    if (!storage::is_foreign_key_violation(error)) throw error;
    fail(ErrorCode::deployment_not_found, "there is no deployment {}", "部署 {} 不存在", session.deployment_id->str());
}

struct Order {
    std::string column;
    bool down = false;
};

Order order_of(const std::string& sort) {
    const bool down = sort.starts_with('-');
    return {sort.substr(down ? 1 : 0), down};
}

Cursor place_of(const Session& session, const std::string& column, const std::string& list) {
    if (column == "name") return {list, session.name, session.id.str()};
    return {list, to_epoch_ms(column == "updated_at" ? session.updated_at : session.created_at), session.id.str()};
}

}  // namespace

Task<> ChatStore::insert(Session session) {
    try {
        co_await database_.write([session](storage::Session& sql) {
            sql.execute(
                "INSERT INTO chat_sessions (id, deployment_id, name, config, message_count, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                session.id, session.deployment_id, session.name, to_text(session.config), session.message_count,
                session.created_at, session.updated_at);
        });
    } catch (const Error& error) {
        rethrow_for_session(error, session);
    }
}

Task<storage::Page<Session>> ChatStore::list(SessionQuery query) {
    const Order order = order_of(query.sort);
    // The filter is part of the cursor's list: a place in one list means nothing in another.
    const std::string list = query.deployment_id ? query.sort + " " + query.deployment_id->str() : query.sort;
    std::string text = fmt::format("SELECT {} FROM chat_sessions", kSessionColumns);
    Params params;
    if (query.deployment_id) {
        text += " WHERE deployment_id = ?";
        params.push_back(*query.deployment_id);
    }
    if (!query.cursor.empty()) {
        const Cursor cursor = Cursor::parse(query.cursor, list);
        text += fmt::format(" {} ({}, id) {} (?, ?)", params.empty() ? "WHERE" : "AND", order.column,
                            order.down ? "<" : ">");
        params.push_back(cursor.value_param());
        params.emplace_back(cursor.id);
    }
    text += fmt::format(" ORDER BY {0} {1}, id {1} LIMIT ?", order.column, order.down ? "DESC" : "ASC");
    params.emplace_back(query.limit + 1);
    auto sessions = co_await database_.read(
        [text, params](storage::Session& sql) { return sql.query(text, session_from, params); });
    co_return storage::make_page(std::move(sessions), static_cast<std::size_t>(query.limit),
                                 [&](const Session& session) { return place_of(session, order.column, list); });
}

Task<std::optional<Session>> ChatStore::find(SessionId id) {
    co_return co_await database_.read([id](storage::Session& sql) { return select_session(sql, id); });
}

Task<bool> ChatStore::update(Session session) {
    try {
        co_return co_await database_.write([session](storage::Session& sql) {
            return sql.execute(
                       "UPDATE chat_sessions SET deployment_id = ?, name = ?, config = ?, updated_at = ? WHERE id = ?",
                       session.deployment_id, session.name, to_text(session.config), session.updated_at,
                       session.id) > 0;
        });
    } catch (const Error& error) {
        rethrow_for_session(error, session);
    }
}

Task<bool> ChatStore::remove(SessionId id) {
    co_return co_await database_.write(
        [id](storage::Session& sql) { return sql.execute("DELETE FROM chat_sessions WHERE id = ?", id) > 0; });
}

Task<storage::Page<Message>> ChatStore::list(SessionId session, MessageQuery query) {
    // Ids are made in the order of creation, so the index (session_id, id) serves this order.
    const bool down = order_of(query.sort).down;
    const std::string list = query.sort + " " + session.str();
    std::string text = fmt::format("SELECT {} FROM chat_messages WHERE session_id = ?", kMessageColumns);
    Params params{session};
    if (!query.cursor.empty()) {
        text += fmt::format(" AND id {} ?", down ? "<" : ">");
        params.emplace_back(Cursor::parse(query.cursor, list).id);
    }
    text += fmt::format(" ORDER BY id {} LIMIT ?", down ? "DESC" : "ASC");
    params.emplace_back(query.limit + 1);
    auto messages = co_await database_.read(
        [text, params](storage::Session& sql) { return sql.query(text, message_from, params); });
    co_return storage::make_page(
        std::move(messages), static_cast<std::size_t>(query.limit),
        [&](const Message& message) { return Cursor{list, to_epoch_ms(message.created_at), message.id.str()}; });
}

Task<std::optional<Message>> ChatStore::find(MessageId id) {
    co_return co_await database_.read([id](storage::Session& sql) {
        return sql.query_one(fmt::format("SELECT {} FROM chat_messages WHERE id = ?", kMessageColumns), message_from,
                             id);
    });
}

Task<Exchange> ChatStore::begin_exchange(NewExchange wanted) {
    co_return co_await database_.write([wanted](storage::Session& sql) {
        const TimePoint time = now();
        // Comes first: it holds the row, so that nobody deletes the session meanwhile.
        if (sql.execute("UPDATE chat_sessions SET message_count = message_count + 2, updated_at = ? WHERE id = ?", time,
                        wanted.session_id) == 0) {
            no_session(wanted.session_id);
        }
        Exchange exchange{.session = *select_session(sql, wanted.session_id),
                          .user = {.id = wanted.user_id, .session_id = wanted.session_id},
                          .assistant = {.id = wanted.reply_id, .session_id = wanted.session_id}};
        Message& user = exchange.user;
        user.parent_id = select_parent(sql, wanted.session_id, wanted.message.parent_id);
        user.content = wanted.message.content;
        user.created_at = user.updated_at = time;
        Message& assistant = exchange.assistant;
        assistant.parent_id = user.id;
        assistant.role = Role::assistant;
        assistant.status = MessageStatus::streaming;
        assistant.created_at = assistant.updated_at = time;
        insert_message(sql, user);
        insert_message(sql, assistant);
        exchange.chain = select_chain(sql, user.id);
        return exchange;
    });
}

Task<> ChatStore::save_text(MessageId reply, std::string text) {
    co_await database_.write([reply, text](storage::Session& sql) {
        sql.execute("UPDATE chat_messages SET content = ?, updated_at = ? WHERE id = ? AND status = ?", text, now(),
                    reply, name_of(MessageStatus::streaming));
    });
}

Task<> ChatStore::finish(Message reply) {
    co_await database_.write([reply](storage::Session& sql) {
        sql.execute("UPDATE chat_messages SET content = ?, status = ?, metadata = ?, updated_at = ? WHERE id = ?",
                    reply.content, name_of(reply.status), to_text(reply.metadata), reply.updated_at, reply.id);
        sql.execute("UPDATE chat_sessions SET updated_at = ? WHERE id = ?", reply.updated_at, reply.session_id);
    });
}

Task<std::int64_t> ChatStore::end_abandoned(MessageFailure failure) {
    const std::string metadata = to_text(Metadata{.finish_reason = std::string(kFinishError), .error = failure});
    co_return co_await database_.write([metadata](storage::Session& sql) {
        return sql.execute(
            "UPDATE chat_messages SET status = CASE WHEN content = '' THEN ? ELSE ? END, metadata = ?, updated_at = ? "
            "WHERE status = ?",
            name_of(MessageStatus::failed), name_of(MessageStatus::partial), metadata, now(),
            name_of(MessageStatus::streaming));
    });
}

}  // namespace llmm::chat
