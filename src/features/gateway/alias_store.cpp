#include "features/gateway/alias_store.hpp"

#include "storage/database.hpp"

namespace llmm::gateway {

using storage::Row, storage::Session;

Task<std::optional<std::string>> AliasStore::find(std::string alias) {
    co_return co_await database_.read([alias](Session& session) {
        return session.query_one(
            "SELECT target FROM model_aliases WHERE alias = ?", [](const Row& row) { return row.text(0); }, alias);
    });
}

Task<> AliasStore::set(std::string alias, std::string target) {
    co_await database_.write([alias, target](Session& session) {
        session.execute(
            "INSERT INTO model_aliases (alias, target, created_at) VALUES (?, ?, ?) "
            "ON CONFLICT (alias) DO UPDATE SET target = excluded.target",
            alias, target, now());
    });
}

Task<bool> AliasStore::remove(std::string alias) {
    co_return co_await database_.write(
        [alias](Session& session) { return session.execute("DELETE FROM model_aliases WHERE alias = ?", alias) > 0; });
}

Task<std::vector<std::pair<std::string, std::string>>> AliasStore::all() {
    co_return co_await database_.read([](Session& session) {
        return session.query("SELECT alias, target FROM model_aliases ORDER BY alias",
                             [](const Row& row) { return std::pair(row.text(0), row.text(1)); });
    });
}

}  // namespace llmm::gateway
