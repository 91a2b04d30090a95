#include "features/deployments/memory_store.hpp"

#include "base/time/time.hpp"
#include "storage/database.hpp"

namespace llmm::deployments {

using storage::Row;
using storage::Session;

Task<std::optional<MemoryPeak>> MemoryStore::find(ModelId model, std::string engine, std::string settings,
                                                  std::string device) {
    co_return co_await database_.read([=](Session& session) {
        return session.query_one(
            "SELECT resident_bytes, gpu_bytes FROM memory_peaks WHERE model_id = ? AND engine = ? AND settings = ? AND "
            "device = ?",
            [&](const Row& row) {
                return MemoryPeak{model, engine, settings, device, row.int64(0), row.optional_int64(1)};
            },
            model.str(), engine, settings, device);
    });
}

Task<> MemoryStore::keep(MemoryPeak peak) {
    co_await database_.write([peak](Session& session) {
        // A model that is deleted meanwhile takes its measurements along.
        session.execute(
            "INSERT INTO memory_peaks (model_id, engine, settings, device, resident_bytes, gpu_bytes, updated_at) "
            "SELECT id, ?, ?, ?, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT) FROM models WHERE id = ? "
            "ON CONFLICT (model_id, engine, settings, device) DO UPDATE SET "
            "resident_bytes = CASE WHEN excluded.resident_bytes > memory_peaks.resident_bytes "
            "THEN excluded.resident_bytes ELSE memory_peaks.resident_bytes END, "
            "gpu_bytes = CASE WHEN memory_peaks.gpu_bytes IS NULL OR excluded.gpu_bytes > memory_peaks.gpu_bytes "
            "THEN excluded.gpu_bytes ELSE memory_peaks.gpu_bytes END, updated_at = excluded.updated_at",
            peak.engine, peak.settings, peak.device, peak.resident, peak.gpu, now(), peak.model.str());
    });
}

}  // namespace llmm::deployments
