#include "features/chat/archive_service.hpp"

#include "base/log/log.hpp"

#include <map>

namespace llmm::chat {

void ArchiveService::start() {
    tasks_.spawn("chat index", index_missing());
}

Task<> ArchiveService::stop() {
    co_await tasks_.stop();
}

Task<> ArchiveService::index_missing() {
    std::int64_t all = 0;
    while (const std::int64_t some = co_await deps_.search.index_missing())
        all += some;
    if (all > 0) log::info("old chat messages were indexed", {{"count", all}});
}

Task<storage::Page<SearchHit>> ArchiveService::search(SearchQuery query) {
    co_return co_await deps_.search.search(std::move(query));
}

Task<Session> ArchiveService::import(ArchivedSession archived, std::optional<std::string> deployment) {
    Session session{.id = SessionId::generate()};
    if (deployment) session.deployment_id = co_await deps_.engines.find(std::move(*deployment));
    session.name = std::move(archived.name);
    session.config = std::move(archived.config);
    if (archived.folder && !archived.folder->empty()) session.folder = std::move(archived.folder);
    session.tags = std::move(archived.tags);
    session.created_at = session.updated_at = now();
    session.message_count = static_cast<std::int64_t>(archived.messages.size());

    std::map<std::string, MessageId> ids;
    std::vector<Message> messages;
    for (ArchivedMessage& old : archived.messages) {
        Message& message = old.message;
        message.id = MessageId::generate();
        message.session_id = session.id;
        if (old.parent_id) message.parent_id = ids.at(*old.parent_id);
        ids.emplace(old.id, message.id);
        messages.push_back(std::move(message));
    }
    if (archived.active_message_id) {
        session.active_message_id = ids.at(*archived.active_message_id);
    } else if (!messages.empty()) {
        session.active_message_id = messages.back().id;
    }
    co_await deps_.store.import(session, std::move(messages));
    co_return session;
}

}  // namespace llmm::chat
