#include "features/chat/chat_service.hpp"

#include "base/log/log.hpp"
#include "features/chat/chat_json.hpp"
#include "features/chat/title.hpp"
#include "features/usage/usage_ticket.hpp"

#include <utility>

namespace llmm::chat {
namespace {

constexpr std::string_view kDefaultName = "New chat";
constexpr std::size_t kMaxTitles = 2;  // at once: they take an engine's time from who waits for a reply
constexpr std::chrono::seconds kTitleWait{30};

[[noreturn]] void no_session(const SessionId& id) {
    fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在", id.str());
}

[[noreturn]] void no_message(const MessageId& id) {
    fail(ErrorCode::message_not_found, "there is no message {}", "消息 {} 不存在", id.str());
}

}  // namespace

ChatService::ChatService(Deps deps, GenerationLimits limits)
    : deps_(deps), limits_(limits), tasks_(deps.executor), titles_(deps.executor) {}

Task<> ChatService::start() {
    const auto replies =
        co_await deps_.store.end_abandoned({ErrorCode::internal, "the service ended while this was being written"});
    if (replies.empty()) co_return;
    log::warning("replies were left unfinished by an earlier run", {{"count", replies.size()}});
    // Most are in the usage already, by its journal, which knows more of them.
    for (const Message& reply : replies) {
        constexpr int kServerError = 500;
        usage::UsageTicket ticket(deps_.usage, usage_of(reply, {}));
        ticket.row.status = kServerError;
        ticket.row.error = usage::kInterrupted;
    }
}

Task<> ChatService::stop() {
    stopping_ = true;
    for (const auto& [session, generation] : running_)
        generation->request_stop(StopReason::shutting_down);
    co_await titles_.stop();
    co_await tasks_.wait();
}

Task<Session> ChatService::create(SessionRequest request) {
    Session session{.id = SessionId::generate()};
    session.deployment_id = co_await deps_.engines.find(std::move(request.deployment));
    session.name_origin = request.name ? NameOrigin::chosen : NameOrigin::placeholder;
    session.name = request.name ? std::move(*request.name) : std::string(kDefaultName);
    session.config = std::move(request.config);
    if (!request.folder.empty()) session.folder = std::move(request.folder);
    session.tags = std::move(request.tags);
    session.created_at = session.updated_at = now();
    co_await deps_.store.insert(session);
    co_return session;
}

Task<storage::Page<Session>> ChatService::list(SessionQuery query) {
    co_return co_await deps_.store.list(std::move(query));
}

Task<Session> ChatService::get(SessionId id) {
    auto session = co_await deps_.store.find(id);
    if (!session) no_session(id);
    co_return std::move(*session);
}

Task<Session> ChatService::update(SessionId id, SessionChanges changes) {
    Session session = co_await get(id);
    if (changes.deployment) session.deployment_id = co_await deps_.engines.find(std::move(*changes.deployment));
    if (changes.name) {
        session.name = std::move(*changes.name);
        session.name_origin = NameOrigin::chosen;
    }
    if (changes.config) session.config = std::move(*changes.config);
    if (changes.folder) session.folder = changes.folder->empty() ? std::nullopt : std::move(changes.folder);
    if (changes.tags) session.tags = std::move(*changes.tags);
    if (changes.active_message_id) {
        if (running_.contains(id)) throw still_writing(running_.at(id)->message_id());
        co_await deps_.store.choose_branch(id, *changes.active_message_id);
        session.active_message_id = (co_await get(id)).active_message_id;
    }
    session.updated_at = now();
    if (!co_await deps_.store.update(session)) no_session(id);
    co_return session;
}

Task<> ChatService::remove(SessionId id) {
    co_await end_reply(id);
    if (!co_await deps_.store.remove(id)) no_session(id);
    co_await end_reply(id);  // one that began in between
}

Task<storage::Page<Message>> ChatService::messages(SessionId id, MessageQuery query) {
    co_await get(id);
    co_return co_await deps_.store.list(std::move(id), std::move(query));
}

Task<std::vector<MessageId>> ChatService::active_branch(SessionId id) {
    co_return co_await deps_.store.active_branch(std::move(id));
}

Task<Message> ChatService::message(MessageId id) {
    auto message = co_await deps_.store.find(id);
    if (!message) no_message(id);
    co_return std::move(*message);
}

Task<std::vector<Message>> ChatService::siblings(MessageId id) {
    co_return co_await deps_.store.siblings(co_await message(id));
}

Reply ChatService::send(SessionId id, NewMessage message, bool detached, std::string caller) {
    return begin({std::move(id), MessageId::generate(), MessageId::generate(), std::move(message)}, detached,
                 std::move(caller));
}

Task<Reply> ChatService::regenerate(MessageId id, bool detached, std::string caller) {
    const Message again = co_await message(id);
    co_return begin({again.session_id, MessageId::generate(), MessageId::generate(), {}, again.id}, detached,
                    std::move(caller));
}

Reply ChatService::begin(NewExchange wanted, bool detached, std::string caller) {
    if (stopping_) fail(ErrorCode::shutting_down, "the service is stopping", "服务正在停止");
    const SessionId id = wanted.session_id;
    if (const auto found = running_.find(id); found != running_.end()) {
        throw still_writing(found->second->message_id());
    }
    auto generation =
        std::make_shared<Generation>(Generation::Deps{deps_.executor, deps_.store, deps_.engines, deps_.usage, limits_},
                                     std::move(wanted), detached, std::move(caller));
    running_.emplace(id, generation);
    Reply reply(generation);
    tasks_.spawn("reply", run(std::move(generation)));
    if (const auto found = beginnings_.find(id); found != beginnings_.end()) {
        if (const auto signal = found->second.lock()) signal->notify();
    }
    return reply;
}

Task<Reply> ChatService::watch(MessageId id, std::optional<std::uint64_t> since) {
    Message reply = co_await message(id);
    if (reply.role != Role::assistant || !reply.parent_id) {
        fail(ErrorCode::message_not_found, "the message {} is no reply", "消息 {} 不是回答", id.str());
    }
    const Message question = co_await message(*reply.parent_id);
    const auto found = running_.find(reply.session_id);
    if (found != running_.end() && found->second->message_id() == id) co_return Reply(found->second, since);
    if (reply.status == MessageStatus::streaming) reply = co_await message(id);  // it ended while we asked
    co_return Reply(StoredReply{std::move(reply), question}, since);
}

std::optional<Reply> ChatService::watch_running(const SessionId& id, const std::optional<MessageId>& but_not) {
    const auto found = running_.find(id);
    if (found == running_.end() || found->second->message_id() == but_not) return std::nullopt;
    return Reply(found->second);
}

std::shared_ptr<Signal> ChatService::beginnings(const SessionId& id) {
    std::erase_if(beginnings_, [](const auto& entry) { return entry.second.expired(); });
    auto signal = beginnings_[id].lock();
    if (!signal) {
        signal = std::make_shared<Signal>(deps_.executor);
        beginnings_[id] = signal;
    }
    return signal;
}

void ChatService::request_stop(const SessionId& id) {
    if (const auto found = running_.find(id); found != running_.end()) found->second->request_stop(StopReason::asked);
}

Task<> ChatService::run(GenerationPtr generation) {
    co_await generation->run();
    running_.erase(generation->session_id());
    if (limits_.titles && !stopping_) want_title(*generation);
}

// After the first exchange; after a later one when the engine had no time for it then.
void ChatService::want_title(const Generation& generation) {
    if (!generation.is_stored() || generation.message().status != MessageStatus::complete) return;
    if (generation.session().name_origin != NameOrigin::placeholder) return;
    if (titles_.size() >= kMaxTitles) return;
    titles_.spawn("title",
                  make_title(generation.session(), generation.user_message().content, generation.message().content));
}

Task<> ChatService::make_title(Session session, std::string question, std::string answer) {
    if (!session.deployment_id) co_return;
    std::string title;
    try {
        const Engine engine = co_await deps_.engines.take({.id = *session.deployment_id,
                                                           .deadline = std::chrono::steady_clock::now() + kTitleWait,
                                                           .caller = "titles",
                                                           .prefix = session.id.str()});
        title = co_await ask_title(engine, std::move(question), std::move(answer));
    } catch (const Error& error) {
        log::info("no name for a session", {{"session", session.id.str()}, {"error", error.what()}});
    } catch (const HttpError& error) {
        log::info("no name for a session", {{"session", session.id.str()}, {"error", error.what()}});
    }
    if (!title.empty()) co_await deps_.store.set_generated_name(session.id, title);
}

Task<> ChatService::end_reply(SessionId id) {
    const auto found = running_.find(id);
    if (found == running_.end()) co_return;
    const GenerationPtr generation = found->second;
    generation->request_stop(StopReason::asked);
    co_await generation->wait_for_end();
}

Task<Message> ChatService::stop_message(MessageId id) {
    auto message = co_await deps_.store.find(id);
    if (!message) no_message(id);
    const auto found = running_.find(message->session_id);
    if (found != running_.end() && found->second->message_id() == id) {
        co_await end_reply(message->session_id);
        message = co_await deps_.store.find(id);
        if (!message) no_message(id);
    }
    co_return std::move(*message);
}

}  // namespace llmm::chat
