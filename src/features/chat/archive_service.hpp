#pragma once
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "features/chat/archive.hpp"
#include "features/chat/chat_store.hpp"
#include "features/chat/engine_source.hpp"
#include "features/chat/search_store.hpp"

#include <optional>
#include <string>

namespace llmm::chat {

// Finding old conversations, and taking them out and in.
class ArchiveService {
  public:
    struct Deps {
        asio::any_io_executor executor;
        ChatStore& store;
        SearchStore& search;
        EngineSource& engines;
    };
    explicit ArchiveService(Deps deps) : deps_(deps), tasks_(deps.executor) {}

    // Indexes in the background what an earlier version or a killed run has not.
    void start();
    Task<> stop();

    Task<storage::Page<SearchHit>> search(SearchQuery query);
    // A new session with new ids; `deployment` is an id or a name. DEPLOYMENT_NOT_FOUND.
    Task<Session> import(ArchivedSession archived, std::optional<std::string> deployment);

  private:
    Task<> index_missing();

    Deps deps_;
    TaskGroup tasks_;
};

}  // namespace llmm::chat
