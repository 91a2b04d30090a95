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
    std::optional<std::string> folder = {};  // "": those in none
    std::optional<std::string> tag = {};
};

struct MessageQuery {
    std::string sort = "created_at";
    int limit = 50;
    std::string cursor = {};
    // Only the messages of one branch: from the root to its end, which is this message or the session's active one.
    bool only_branch = false;
    std::optional<MessageId> branch_end = {};
};

// A question, and its reply that is about to be written. The ids are made one after the other: the newest message of a
// session is the one with the greatest id.
struct NewExchange {
    SessionId session_id;
    MessageId user_id, reply_id;
    NewMessage message;
    // Another reply to a question that is there: to this message, or to the one that this message answers. `message`
    // and `user_id` don't count then.
    std::optional<MessageId> again = {};
};
struct Exchange {
    Session session;
    Message user, assistant;
    std::vector<Message> chain = {};  // from the root to the user's message
    std::int64_t chain_missing = 0;   // at its beginning, when it is longer than anybody reads
};

// The tables chat_sessions and chat_messages.
class ChatStore {
  public:
    explicit ChatStore(storage::Database& database) : database_(database) {}

    Task<> insert(Session session);  // DEPLOYMENT_NOT_FOUND
    Task<storage::Page<Session>> list(SessionQuery query);
    Task<std::optional<Session>> find(SessionId id);
    // Changes all but the active branch and the count. False: there is no such session. DEPLOYMENT_NOT_FOUND.
    Task<bool> update(Session session);
    Task<bool> remove(SessionId id);
    // The branch that this message is on, to its newest end. MESSAGE_NOT_FOUND.
    Task<> choose_branch(SessionId session, MessageId message);
    // Unless somebody has named it meanwhile.
    Task<bool> set_generated_name(SessionId id, std::string name);

    Task<storage::Page<Message>> list(SessionId session, MessageQuery query);
    Task<std::optional<Message>> find(MessageId id);
    // The other versions of this message and itself, the oldest first: what has the same parent.
    Task<std::vector<Message>> siblings(Message of);
    // The ids of the session's active branch, sorted.
    Task<std::vector<MessageId>> active_branch(SessionId session);
    // Adds the user's message and the empty reply in one transaction. SESSION_NOT_FOUND, MESSAGE_NOT_FOUND (the
    // parent).
    Task<Exchange> begin_exchange(NewExchange wanted);
    // The text so far of a reply that is still being written.
    Task<> save_text(MessageId reply, std::string text);
    // The last word about a reply: content, status, metadata, updated_at.
    Task<> finish(Message reply);
    // Ends what an earlier run of the service left streaming; the replies as they were.
    Task<std::vector<Message>> end_abandoned(MessageFailure failure);
    // A session with all its messages, parents before children.
    Task<> import(Session session, std::vector<Message> messages);

  private:
    storage::Database& database_;
};

}  // namespace llmm::chat
