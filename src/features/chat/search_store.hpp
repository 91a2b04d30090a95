#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "storage/page.hpp"

#include <optional>
#include <string>

namespace llmm::storage {
class Database;
}

namespace llmm::chat {

struct SearchQuery {
    std::string text;
    std::optional<SessionId> session_id = {};
    int limit = 50;
    std::string cursor = {};
};
struct SearchHit {
    Message message;
    std::string session_name, excerpt;
};

// The full-text index over messages: FTS5 on SQLite, a tsvector on PostgreSQL.
class SearchStore {
  public:
    explicit SearchStore(storage::Database& database) : database_(database) {}

    // Messages with all words of the query, the last one as a beginning; those that ended last come first. Nothing for
    // a query without words.
    Task<storage::Page<SearchHit>> search(SearchQuery query);
    // Indexes some of the ended messages that are not in the index yet (from before there was one, or left by a killed
    // run). The number of them; 0: none is left.
    Task<std::int64_t> index_missing();

  private:
    storage::Database& database_;
};

}  // namespace llmm::chat
