#include "features/chat/chat_store.hpp"

#include "features/chat/chat_json.hpp"
#include "features/chat/chat_rows_store.hpp"
#include "storage/database.hpp"

#include <fmt/format.h>

namespace llmm::chat {
namespace {

using storage::Cursor;
using storage::Params;
using storage::Row;

// The only foreign key of a session is its deployment.
[[noreturn]] void rethrow_for_session(const Error& error, const Session& session) {
    if (!storage::is_foreign_key_violation(error)) throw error;
    fail(ErrorCode::deployment_not_found, "there is no deployment {}", "部署 {} 不存在", session.deployment_id->str());
}

Cursor place_of(const Session& session, const std::string& column, const std::string& list) {
    if (column == "name") return {list, session.name, session.id.str()};
    return {list, to_epoch_ms(column == "updated_at" ? session.updated_at : session.created_at), session.id.str()};
}

// The conditions of a list, and what tells it from other lists: a place in one means nothing in another.
struct Filter {
    std::string conditions, name;
    Params params;

    explicit Filter(const SessionQuery& query) : name(query.sort) {
        if (query.deployment_id) add("deployment_id = ?", "deployment", query.deployment_id->str());
        if (query.folder && query.folder->empty()) {
            conditions += " AND folder IS NULL";
            name += " no folder";
        } else if (query.folder) {
            add("folder = ?", "folder", *query.folder);
        }
        if (query.tag) {
            add("EXISTS (SELECT 1 FROM chat_session_tags t WHERE t.session_id = chat_sessions.id AND t.tag = ?)", "tag",
                *query.tag);
        }
    }

  private:
    void add(std::string_view condition, std::string_view what, const std::string& value) {
        conditions += fmt::format(" AND {}", condition);
        name += fmt::format(" {}={}", what, value);
        params.emplace_back(value);
    }
};

}  // namespace

Task<> ChatStore::insert(Session session) {
    try {
        co_await database_.write([session](storage::Session& sql) { insert_session(sql, session); });
    } catch (const Error& error) {
        rethrow_for_session(error, session);
    }
}

Task<storage::Page<Session>> ChatStore::list(SessionQuery query) {
    const bool down = query.sort.starts_with('-');
    const std::string column = query.sort.substr(down ? 1 : 0);
    Filter filter(query);
    std::string text = fmt::format("SELECT {} FROM chat_sessions WHERE 1 = 1{}", kSessionColumns, filter.conditions);
    Params params = filter.params;
    if (!query.cursor.empty()) {
        const Cursor cursor = Cursor::parse(query.cursor, filter.name);
        text += fmt::format(" AND ({}, id) {} (?, ?)", column, down ? "<" : ">");
        params.push_back(cursor.value_param());
        params.emplace_back(cursor.id);
    }
    text += fmt::format(" ORDER BY {0} {1}, id {1} LIMIT ?", column, down ? "DESC" : "ASC");
    params.emplace_back(query.limit + 1);
    auto sessions = co_await database_.read(
        [text, params](storage::Session& sql) { return sql.query(text, session_from, params); });
    co_return storage::make_page(std::move(sessions), static_cast<std::size_t>(query.limit),
                                 [&](const Session& session) { return place_of(session, column, filter.name); });
}

Task<std::optional<Session>> ChatStore::find(SessionId id) {
    co_return co_await database_.read([id](storage::Session& sql) { return select_session(sql, id); });
}

Task<bool> ChatStore::update(Session session) {
    try {
        co_return co_await database_.write([session](storage::Session& sql) {
            if (sql.execute("UPDATE chat_sessions SET deployment_id = ?, name = ?, name_origin = ?, config = ?, "
                            "folder = ?, tags = ?, updated_at = ? WHERE id = ?",
                            session.deployment_id, session.name, name_of(session.name_origin), to_text(session.config),
                            session.folder, to_text(session.tags), session.updated_at, session.id) == 0) {
                return false;
            }
            sql.execute("DELETE FROM chat_session_tags WHERE session_id = ?", session.id);
            for (const std::string& tag : session.tags)
                sql.execute("INSERT INTO chat_session_tags (session_id, tag) VALUES (?, ?)", session.id, tag);
            return true;
        });
    } catch (const Error& error) {
        rethrow_for_session(error, session);
    }
}

Task<bool> ChatStore::remove(SessionId id) {
    co_return co_await database_.write([id](storage::Session& sql) {
        if (sql.dialect() == storage::Dialect::sqlite) {  // a virtual table has no foreign keys
            sql.execute(
                "DELETE FROM chat_message_words WHERE rowid IN (SELECT i.id FROM chat_messages m "
                "JOIN chat_message_index i ON i.message_id = m.id WHERE m.session_id = ?)",
                id);
        }
        return sql.execute("DELETE FROM chat_sessions WHERE id = ?", id) > 0;
    });
}

Task<> ChatStore::choose_branch(SessionId session, MessageId message) {
    co_await database_.write([session, message](storage::Session& sql) {
        const auto found = select_message(sql, message);
        if (!found || found->session_id != session) no_message(message);
        sql.execute("UPDATE chat_sessions SET active_message_id = ?, updated_at = ? WHERE id = ?",
                    select_leaf(sql, message), now(), session);
    });
}

Task<bool> ChatStore::set_generated_name(SessionId id, std::string name) {
    co_return co_await database_.write([id, name](storage::Session& sql) {
        return sql.execute(
                   "UPDATE chat_sessions SET name = ?, name_origin = ?, updated_at = ? "
                   "WHERE id = ? AND name_origin = ?",
                   name, name_of(NameOrigin::generated), now(), id, name_of(NameOrigin::placeholder)) > 0;
    });
}

Task<> ChatStore::import(Session session, std::vector<Message> messages) {
    try {
        co_await database_.write([&session, &messages](storage::Session& sql) {
            insert_session(sql, session);
            for (const Message& message : messages) {
                insert_message(sql, message);
                index_message(sql, message);
            }
        });
    } catch (const Error& error) {
        rethrow_for_session(error, session);
    }
}

}  // namespace llmm::chat
