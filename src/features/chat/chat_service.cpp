#include "features/chat/chat_service.hpp"

#include "base/log/log.hpp"
#include "features/chat/chat_json.hpp"

#include <utility>

namespace llmm::chat {
namespace {

constexpr std::string_view kDefaultName = "New chat";

[[noreturn]] void no_session(const SessionId& id) {
    fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在", id.str());
}

[[noreturn]] void no_message(const MessageId& id) {
    fail(ErrorCode::message_not_found, "there is no message {}", "消息 {} 不存在", id.str());
}

}  // namespace

ChatService::ChatService(Deps deps, GenerationLimits limits) : deps_(deps), limits_(limits), tasks_(deps.executor) {}

Task<> ChatService::start() {
    const auto count =
        co_await deps_.store.end_abandoned({ErrorCode::internal, "the service ended while this was being written"});
    if (count > 0) log::warning("replies were left unfinished by an earlier run", {{"count", count}});
}

Task<> ChatService::stop() {
    stopping_ = true;
    for (const auto& [session, generation] : running_)
        generation->request_stop(StopReason::shutting_down);
    co_await tasks_.wait();
}

Task<Session> ChatService::create(SessionRequest request) {
    Session session{.id = SessionId::generate()};
    session.deployment_id = co_await deps_.engines.find(std::move(request.deployment));
    session.name = request.name ? std::move(*request.name) : std::string(kDefaultName);
    session.config = std::move(request.config);
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
    if (changes.name) session.name = std::move(*changes.name);
    if (changes.config) session.config = std::move(*changes.config);
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

Reply ChatService::send(SessionId id, NewMessage message) {
    if (stopping_) fail(ErrorCode::shutting_down, "the service is stopping", "服务正在停止");
    if (const auto found = running_.find(id); found != running_.end()) {
        throw still_writing(found->second->message_id());
    }
    auto generation = std::make_shared<Generation>(
        Generation::Deps{deps_.executor, deps_.store, deps_.engines, limits_}, id, std::move(message));
    running_.emplace(std::move(id), generation);
    tasks_.spawn("reply", run(generation));
    return Reply(std::move(generation));
}

Task<> ChatService::run(GenerationPtr generation) {
    co_await generation->run();
    running_.erase(generation->session_id());
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
