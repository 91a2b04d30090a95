#include "features/chat/chat_json.hpp"
#include "features/chat/chat_rows_store.hpp"
#include "features/chat/chat_store.hpp"
#include "storage/database.hpp"

#include <utility>

#include <fmt/format.h>

namespace llmm::chat {
namespace {

using storage::Cursor;
using storage::Params;
using storage::Row;

// More than the contexts of engines hold: what lies before is not even read. A message costs more than its text.
constexpr std::int64_t kMaxChainBytes = 2 << 20, kMessageBytes = 256;

MessageId id_from(const Row& row) {
    return MessageId::trusted(row.text(0));
}

// The messages before this one and itself, up to the root, while they come to less than the bound; the oldest first.
std::vector<Message> select_chain(storage::Session& sql, const MessageId& id) {
    return sql.query(fmt::format("WITH RECURSIVE chain (id, parent_id, size) AS ("
                                 "SELECT id, parent_id, CAST(0 AS BIGINT) FROM chat_messages WHERE id = ? UNION ALL "
                                 "SELECT p.id, p.parent_id, chain.size + length(p.content) + length(p.attachments) + ? "
                                 "FROM chat_messages p JOIN chain ON p.id = chain.parent_id WHERE chain.size < ?) "
                                 "SELECT {} FROM chain JOIN chat_messages m ON m.id = chain.id ORDER BY m.id",
                                 kMessageColumns),
                     message_from, id, kMessageBytes, kMaxChainBytes);
}

std::int64_t count_before(storage::Session& sql, const MessageId& id) {
    return sql.query_one(
                  "SELECT depth FROM chat_messages WHERE id = ?", [](const Row& row) { return row.int64(0); }, id)
               .value_or(1) -
           1;
}

Message get_message(storage::Session& sql, const SessionId& session, const MessageId& id) {
    auto message = select_message(sql, id);
    if (!message || message->session_id != session) {
        fail(ErrorCode::message_not_found, "this session has no message {}", "该会话中没有消息 {}", id.str());
    }
    return std::move(*message);
}

std::optional<MessageId> parent_for(storage::Session& sql, const Session& session, const NewMessage& message) {
    if (message.edit_of) return get_message(sql, session.id, *message.edit_of).parent_id;
    if (message.parent_id) return get_message(sql, session.id, *message.parent_id).id;
    return session.active_message_id;
}

// The question that is answered once more.
Message question_of(storage::Session& sql, const SessionId& session, const MessageId& again) {
    Message message = get_message(sql, session, again);
    if (message.role == Role::assistant && message.parent_id) message = get_message(sql, session, *message.parent_id);
    if (message.role != Role::user) {
        throw Error(ErrorCode::state_conflict, {"this message answers no question", "该消息不是对问题的回答"},
                    {{"state", std::string(name_of(message.role))}});
    }
    return message;
}

// A branch is read from its end upwards, along the parents: a page costs as much as it has messages.
std::string branch_upwards() {
    return fmt::format(
        "WITH RECURSIVE chain (id, parent_id, depth) AS ("
        "SELECT id, parent_id, 1 FROM chat_messages WHERE id = ? UNION ALL "
        "SELECT p.id, p.parent_id, chain.depth + 1 FROM chat_messages p "
        "JOIN chain ON p.id = chain.parent_id WHERE chain.depth < ?) "
        "SELECT {} FROM chain JOIN chat_messages m ON m.id = chain.id ORDER BY m.id DESC",
        kMessageColumns);
}

// From the root on: all ids of the branch are looked at for each page.
std::string branch_downwards() {
    return fmt::format(
        "WITH RECURSIVE chain (id, parent_id) AS ("
        "SELECT id, parent_id FROM chat_messages WHERE id = ? UNION ALL "
        "SELECT p.id, p.parent_id FROM chat_messages p JOIN chain ON p.id = chain.parent_id) "
        "SELECT {} FROM chain JOIN chat_messages m ON m.id = chain.id WHERE chain.id > ? "
        "ORDER BY m.id LIMIT ?",
        kMessageColumns);
}

std::vector<Message> select_branch(storage::Session& sql, const SessionId& session, const MessageQuery& query,
                                   const std::string& seen) {
    std::optional<MessageId> end = query.branch_end;
    if (end) {
        get_message(sql, session, *end);
    } else if (const auto found = select_session(sql, session)) {
        end = found->active_message_id;
    }
    if (!end) return {};
    if (query.sort == "created_at") return sql.query(branch_downwards(), message_from, *end, seen, query.limit + 1);
    if (!seen.empty()) {
        const auto last = select_message(sql, MessageId::trusted(seen));
        if (!last || last->session_id != session || !last->parent_id) return {};
        end = last->parent_id;
    }
    return sql.query(branch_upwards(), message_from, *end, query.limit + 1);
}

}  // namespace

Task<storage::Page<Message>> ChatStore::list(SessionId session, MessageQuery query) {
    const bool down = query.sort.starts_with('-');
    std::string list = query.sort + " " + session.str();
    if (query.only_branch) list += " branch " + (query.branch_end ? query.branch_end->str() : "active");
    const std::string seen = query.cursor.empty() ? std::string() : Cursor::parse(query.cursor, list).id;
    auto messages = co_await database_.read([session, query, down, seen](storage::Session& sql) {
        if (query.only_branch) return select_branch(sql, session, query, seen);
        // Ids are made in the order of creation, so the index (session_id, id) serves this order.
        std::string text = fmt::format("SELECT {} FROM chat_messages m WHERE m.session_id = ?", kMessageColumns);
        Params params{session};
        if (!seen.empty()) {
            text += fmt::format(" AND m.id {} ?", down ? "<" : ">");
            params.emplace_back(seen);
        }
        text += fmt::format(" ORDER BY m.id {} LIMIT ?", down ? "DESC" : "ASC");
        params.emplace_back(query.limit + 1);
        return sql.query(text, message_from, params);
    });
    co_return storage::make_page(
        std::move(messages), static_cast<std::size_t>(query.limit),
        [&](const Message& message) { return Cursor{list, to_epoch_ms(message.created_at), message.id.str()}; });
}

Task<std::optional<Message>> ChatStore::find(MessageId id) {
    co_return co_await database_.read([id](storage::Session& sql) { return select_message(sql, id); });
}

Task<std::vector<Message>> ChatStore::siblings(Message of) {
    co_return co_await database_.read([of](storage::Session& sql) {
        const std::string text = fmt::format("SELECT {} FROM chat_messages m WHERE ", kMessageColumns);
        if (of.parent_id) return sql.query(text + "m.parent_id = ? ORDER BY m.id", message_from, *of.parent_id);
        return sql.query(text + "m.session_id = ? AND m.parent_id IS NULL ORDER BY m.id", message_from, of.session_id);
    });
}

Task<std::vector<MessageId>> ChatStore::active_branch(SessionId session) {
    co_return co_await database_.read([session](storage::Session& sql) {
        return sql.query(
            "WITH RECURSIVE chain (id, parent_id) AS (SELECT m.id, m.parent_id FROM chat_messages m "
            "JOIN chat_sessions s ON s.active_message_id = m.id WHERE s.id = ? UNION ALL "
            "SELECT p.id, p.parent_id FROM chat_messages p JOIN chain ON p.id = chain.parent_id) "
            "SELECT id FROM chain ORDER BY id",
            id_from, session);
    });
}

Task<Exchange> ChatStore::begin_exchange(NewExchange wanted) {
    Exchange exchange = co_await database_.write([wanted](storage::Session& sql) {
        const TimePoint time = now();
        // Comes first: it holds the row, so that nobody deletes the session meanwhile.
        if (sql.execute("UPDATE chat_sessions SET message_count = message_count + ?, updated_at = ? WHERE id = ?",
                        wanted.again ? 1 : 2, time, wanted.session_id) == 0) {
            no_session(wanted.session_id);
        }
        Exchange exchange{.session = *select_session(sql, wanted.session_id),
                          .user = {.id = wanted.user_id, .session_id = wanted.session_id},
                          .assistant = {.id = wanted.reply_id, .session_id = wanted.session_id}};
        Message& user = exchange.user;
        if (wanted.again) {
            user = question_of(sql, wanted.session_id, *wanted.again);
        } else {
            user.parent_id = parent_for(sql, exchange.session, wanted.message);
            user.content = wanted.message.content;
            user.attachments = wanted.message.attachments;
            user.created_at = user.updated_at = time;
            insert_message(sql, user);
            index_message(sql, user);
        }
        Message& assistant = exchange.assistant;
        assistant.parent_id = user.id;
        assistant.role = Role::assistant;
        assistant.status = MessageStatus::streaming;
        assistant.created_at = assistant.updated_at = time;
        insert_message(sql, assistant);
        sql.execute("UPDATE chat_sessions SET active_message_id = ? WHERE id = ?", assistant.id, wanted.session_id);
        exchange.session.active_message_id = assistant.id;
        return exchange;
    });
    // Not in the transaction: a long chain must not keep other writers waiting.
    const MessageId question = exchange.user.id;
    auto read = co_await database_.read([question](storage::Session& sql) {
        auto chain = select_chain(sql, question);
        const std::int64_t missing = chain.empty() ? 0 : count_before(sql, chain.front().id);
        return std::pair(std::move(chain), missing);
    });
    if (read.first.empty()) no_session(wanted.session_id);  // deleted meanwhile
    exchange.chain = std::move(read.first);
    exchange.chain_missing = read.second;
    co_return exchange;
}

Task<> ChatStore::save_text(MessageId reply, std::string text) {
    co_await database_.write([reply, text](storage::Session& sql) {
        sql.execute("UPDATE chat_messages SET content = ?, updated_at = ? WHERE id = ? AND status = ?", text, now(),
                    reply, name_of(MessageStatus::streaming));
    });
}

Task<> ChatStore::finish(Message reply) {
    co_await database_.write([reply](storage::Session& sql) {
        if (sql.execute("UPDATE chat_messages SET content = ?, status = ?, metadata = ?, updated_at = ? WHERE id = ?",
                        reply.content, name_of(reply.status), to_text(reply.metadata), reply.updated_at,
                        reply.id) == 0) {
            return;  // its session was deleted
        }
        sql.execute("UPDATE chat_sessions SET updated_at = ? WHERE id = ?", reply.updated_at, reply.session_id);
        index_message(sql, reply);
    });
}

Task<std::vector<Message>> ChatStore::end_abandoned(MessageFailure failure) {
    const std::string metadata = to_text(Metadata{.finish_reason = std::string(kFinishError), .error = failure});
    co_return co_await database_.write([metadata](storage::Session& sql) {
        auto replies = sql.query(fmt::format("SELECT {} FROM chat_messages m WHERE m.status = ?", kMessageColumns),
                                 message_from, name_of(MessageStatus::streaming));
        sql.execute(
            "UPDATE chat_messages SET status = CASE WHEN content = '' THEN ? ELSE ? END, metadata = ?, updated_at = ? "
            "WHERE status = ?",
            name_of(MessageStatus::failed), name_of(MessageStatus::partial), metadata, now(),
            name_of(MessageStatus::streaming));
        return replies;
    });
}

}  // namespace llmm::chat
