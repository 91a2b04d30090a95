#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "storage/page.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::storage {
class Database;
}

namespace llmm::chat {

struct SessionQuery {
    std::optional<DeploymentId> deployment_id = {};
    std::string sort = "-created_at";  // created_at, updated_at or name; "-" sorts downwards
    int limit = 50;
    std::string cursor = {};
};

struct MessageQuery {
    std::string sort = "created_at";
    int limit = 50;
    std::string cursor = {};
};

// A question, and its reply that is about to be written. The ids are made one after the other: the newest message of a
// session is the one with the greatest id.
struct NewExchange {
    SessionId session_id;
    MessageId user_id, reply_id;
    NewMessage message;
};
struct Exchange {
    Session session;
    Message user, assistant;
    std::vector<Message> chain = {};  // from the root to the user's message
};

// The tables chat_sessions and chat_messages.
class ChatStore {
  public:
    explicit ChatStore(storage::Database& database) : database_(database) {}

    Task<> insert(Session session);  // DEPLOYMENT_NOT_FOUND
    Task<storage::Page<Session>> list(SessionQuery query);
    Task<std::optional<Session>> find(SessionId id);
    // Changes deployment, name, config and updated_at. False: there is no such session. DEPLOYMENT_NOT_FOUND.
    Task<bool> update(Session session);
    Task<bool> remove(SessionId id);

    Task<storage::Page<Message>> list(SessionId session, MessageQuery query);
    Task<std::optional<Message>> find(MessageId id);
    // Adds the user's message and the empty reply in one transaction. SESSION_NOT_FOUND, MESSAGE_NOT_FOUND (the
    // parent).
    Task<Exchange> begin_exchange(NewExchange wanted);
    // The text so far of a reply that is still being written.
    Task<> save_text(MessageId reply, std::string text);
    // The last word about a reply: content, status, metadata, updated_at.
    Task<> finish(Message reply);
    // Ends what an earlier run of the service left streaming; the number of replies.
    Task<std::int64_t> end_abandoned(MessageFailure failure);

  private:
    storage::Database& database_;
};

}  // namespace llmm::chat
