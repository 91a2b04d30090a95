#include "app/metrics_store.hpp"

namespace llmm::app {

using storage::Row;
using storage::Session;

Task<std::vector<MetricsStore::Count>> MetricsStore::counts() {
    co_return co_await database_.read([](Session& session) {
        return session.query(
            "SELECT 'models', status, COUNT(*) FROM models GROUP BY status UNION ALL "
            "SELECT 'downloads', status, COUNT(*) FROM download_tasks GROUP BY status UNION ALL "
            "SELECT 'deployments', status, COUNT(*) FROM deployments GROUP BY status UNION ALL "
            "SELECT 'tasks', state, COUNT(*) FROM tasks GROUP BY state",
            [](const Row& row) { return Count{row.text(0), row.text(1), row.int64(2)}; });
    });
}

Task<std::int64_t> MetricsStore::download_speed() {
    co_return co_await database_.read([](Session& session) {
        return session
            .query_one(
                "SELECT CAST(COALESCE(SUM(download_speed), 0) AS BIGINT) FROM download_tasks "
                "WHERE status = 'downloading'",
                [](const Row& row) { return row.int64(0); })
            .value_or(0);
    });
}

}  // namespace llmm::app
