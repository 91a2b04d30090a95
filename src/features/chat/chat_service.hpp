#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/chat_store.hpp"
#include "features/chat/engine_source.hpp"
#include "features/chat/generation.hpp"
#include "features/chat/reply.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::usage {
class UsageRecorder;
}

namespace llmm::chat {

struct SessionRequest;
struct SessionChanges;

// Rules of sessions and messages. Owns the replies that are being written. Used from the event loop only.
class ChatService {
  public:
    struct Deps {
        asio::any_io_executor executor;
        ChatStore& store;
        EngineSource& engines;
        usage::UsageRecorder& usage;
    };
    explicit ChatService(Deps deps, GenerationLimits limits = {});

    // Ends the replies that a killed run of the service left unfinished.
    Task<> start();
    // Stops all replies and waits until they are stored.
    Task<> stop();

    Task<Session> create(SessionRequest request);  // DEPLOYMENT_NOT_FOUND
    Task<storage::Page<Session>> list(SessionQuery query);
    Task<Session> get(SessionId id);                             // SESSION_NOT_FOUND, as all below
    Task<Session> update(SessionId id, SessionChanges changes);  // DEPLOYMENT_NOT_FOUND, MESSAGE_NOT_FOUND
    Task<> remove(SessionId id);                                 // when its reply has ended
    Task<storage::Page<Message>> messages(SessionId id, MessageQuery query);
    Task<std::vector<MessageId>> active_branch(SessionId id);  // sorted
    Task<Message> message(MessageId id);                       // MESSAGE_NOT_FOUND
    Task<std::vector<Message>> siblings(MessageId id);         // MESSAGE_NOT_FOUND

    // Begins a reply. STATE_CONFLICT while the session's last one is being written, SHUTTING_DOWN. What else can go
    // wrong Reply tells: SESSION_NOT_FOUND, MESSAGE_NOT_FOUND, DEPLOYMENT_NOT_FOUND, CONTEXT_EXCEEDED, ENGINE_*.
    // The caller's name goes into the usage.
    Reply send(SessionId id, NewMessage message, bool detached = false, std::string caller = {});
    // Another reply to the same question, beside the one that is there. MESSAGE_NOT_FOUND, and as send().
    Task<Reply> regenerate(MessageId id, bool detached = false, std::string caller = {});
    // A reply that there is, from where a client has got to. MESSAGE_NOT_FOUND for one that is no reply.
    Task<Reply> watch(MessageId id, std::optional<std::uint64_t> since);
    // The session's reply that is being written, unless it is this one.
    std::optional<Reply> watch_running(const SessionId& id, const std::optional<MessageId>& but_not);
    // Notified when a reply begins in this session.
    std::shared_ptr<Signal> beginnings(const SessionId& id);
    // Stops the session's reply if one is being written.
    void request_stop(const SessionId& id);
    // The message when its reply has ended. MESSAGE_NOT_FOUND.
    Task<Message> stop_message(MessageId id);

  private:
    using GenerationPtr = std::shared_ptr<Generation>;

    Reply begin(NewExchange wanted, bool detached, std::string caller);
    Task<> run(GenerationPtr generation);
    Task<> end_reply(SessionId id);
    void want_title(const Generation& generation);
    Task<> make_title(Session session, std::string question, std::string answer);

    Deps deps_;
    GenerationLimits limits_;
    std::map<SessionId, GenerationPtr> running_;
    std::map<SessionId, std::weak_ptr<Signal>> beginnings_;
    bool stopping_ = false;
    TaskGroup tasks_;
    TaskGroup titles_;  // may be cancelled at any time
};

}  // namespace llmm::chat
