#pragma once
#include "features/chat/chat.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <string_view>

// The rows of chat_sessions and chat_messages, for the stores of this folder.
namespace llmm::chat {

inline constexpr std::string_view kSessionColumns =
    "id, deployment_id, name, config, message_count, created_at, updated_at, name_origin, folder, tags, "
    "active_message_id";
Session session_from(const storage::Row& row);
std::optional<Session> select_session(storage::Session& sql, const SessionId& id);
void insert_session(storage::Session& sql, const Session& session);

// The columns of a message, each after "m.".
inline constexpr std::string_view kMessageColumns =
    "m.id, m.session_id, m.parent_id, m.role, m.content, m.status, m.metadata, m.created_at, m.updated_at, "
    "m.attachments";
Message message_from(const storage::Row& row);
std::optional<Message> select_message(storage::Session& sql, const MessageId& id);
void insert_message(storage::Session& sql, const Message& message);

// The newest message of the newest branch below this one; itself when nothing follows.
MessageId select_leaf(storage::Session& sql, const MessageId& id);

// Makes a message findable. Once for each message, in the transaction that gives it its last content.
void index_message(storage::Session& sql, const Message& message);

[[noreturn]] void no_session(const SessionId& id);
[[noreturn]] void no_message(const MessageId& id);

}  // namespace llmm::chat
