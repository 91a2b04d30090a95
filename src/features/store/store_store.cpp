#include "features/store/store_store.hpp"

#include "base/error/error.hpp"
#include "features/models/model_store.hpp"
#include "features/store/store_json.hpp"
#include "features/tasks/task_store.hpp"

#include <fmt/format.h>

namespace llmm::store {

using storage::Row;
using storage::Session;

namespace {

constexpr std::string_view kColumns = "id, task_id, source, path, variant, may_copy, result, created_at";

Import from_row(const Row& row) {
    const auto result = row.optional_text(6);
    return {.id = ImportId::trusted(row.text(0)),
            .task_id = TaskId::trusted(row.text(1)),
            .request = {.source = parse_import_source(row.text(2)).value_or(ImportSource::path),
                        .path = row.text(3),
                        .variant = row.text(4),
                        .may_copy = row.int64(5) != 0},
            .result = result ? std::optional(read_result(*result)) : std::nullopt,
            .created_at = row.time(7)};
}

}  // namespace

Task<Import> StoreStore::start_import(ImportRequest request) {
    co_return co_await database_.write([request](Session& session) {
        const auto live = session.query_one(
            fmt::format("SELECT {} FROM imports WHERE source = ? AND path = ? AND variant = ? AND task_id IN "
                        "(SELECT id FROM tasks WHERE kind = 'import' AND state IN ('queued', 'running')) "
                        "ORDER BY created_at DESC LIMIT 1",
                        kColumns),
            from_row, name_of(request.source), request.path, request.variant);
        if (live) return *live;
        const ImportId id = ImportId::generate();
        const TaskId task = tasks::enqueue(
            session, {.kind = "import", .subject = id.str(), .unique_key = {}, .max_attempts = 3}, now());
        session.execute(
            "INSERT INTO imports (id, task_id, source, path, variant, may_copy, created_at) VALUES (?, ?, ?, ?, ?, ?, "
            "?)",
            id, task, name_of(request.source), request.path, request.variant, request.may_copy ? 1 : 0, now());
        return session.query_one(fmt::format("SELECT {} FROM imports WHERE id = ?", kColumns), from_row, id).value();
    });
}

Task<std::optional<Import>> StoreStore::find_import(ImportId id) {
    co_return co_await database_.read([id](Session& session) {
        return session.query_one(fmt::format("SELECT {} FROM imports WHERE id = ?", kColumns), from_row, id);
    });
}

Task<> StoreStore::save_result(ImportId id, ImportResult result) {
    const std::string text = write_result(result);
    co_await database_.write(
        [=](Session& session) { session.execute("UPDATE imports SET result = ? WHERE id = ?", text, id); });
}

Task<ModelId> StoreStore::add_ready_model(ImportModel model, std::vector<models::ModelFile> files,
                                          models::ModelFacts facts) {
    co_return co_await database_.write([=](Session& session) {
        auto row = models::find_by_ref(session, model.pinned.str());
        if (!row) row = models::insert_downloading(session, model.pinned, model.name, model.tags, model.metadata);
        models::set_ready(session, row->id, files, facts);
        return row->id;
    });
}

Task<StoreFacts> StoreStore::facts() {
    co_return co_await database_.read([](Session& session) {
        StoreFacts facts;
        session.query_one("SELECT COUNT(*), COALESCE(SUM(size), 0), MIN(verified_at) FROM blobs", [&](const Row& row) {
            facts.blobs = row.int64(0);
            facts.size = row.int64(1);
            facts.oldest_verification = row.optional_time(2);
            return 0;
        });
        session.query_one("SELECT COUNT(*), COALESCE(SUM(size), 0), COUNT(DISTINCT model_id) FROM model_files",
                          [&](const Row& row) {
                              facts.references = row.int64(0);
                              facts.referenced_size = row.int64(1);
                              facts.models = row.int64(2);
                              return 0;
                          });
        return facts;
    });
}

Task<std::vector<BlobRow>> StoreStore::referenced_blobs() {
    co_return co_await database_.read([](Session& session) {
        return session.query(
            "SELECT sha256, size FROM blobs WHERE EXISTS (SELECT 1 FROM model_files WHERE model_files.sha256 = "
            "blobs.sha256) ORDER BY sha256",
            [](const Row& row) { return BlobRow{Sha256::parse(row.text(0)).value(), row.int64(1)}; });
    });
}

Task<bool> StoreStore::forget_blob(Sha256 digest) {
    co_return co_await database_.write([digest](Session& session) {
        const auto wanted = session.query_one(
            "SELECT model_id FROM model_files WHERE sha256 = ? LIMIT 1", [](const Row& row) { return row.text(0); },
            digest.hex());
        if (wanted) return false;
        session.execute("DELETE FROM blobs WHERE sha256 = ?", digest.hex());
        return true;
    });
}

Task<std::set<std::string>> StoreStore::download_ids() {
    co_return co_await database_.read([](Session& session) {
        const auto rows = session.query("SELECT id FROM download_tasks", [](const Row& row) { return row.text(0); });
        return std::set<std::string>(rows.begin(), rows.end());
    });
}

Task<> StoreStore::set_verified(Sha256 digest) {
    co_await database_.write([digest](Session& session) {
        session.execute("UPDATE blobs SET verified_at = ? WHERE sha256 = ?", now(), digest.hex());
    });
}

Task<> StoreStore::mark_broken(Sha256 digest) {
    co_await database_.write([digest](Session& session) {
        session.execute(
            "UPDATE models SET status = 'broken', updated_at = ? WHERE status = 'ready' AND id IN "
            "(SELECT model_id FROM model_files WHERE sha256 = ?)",
            now(), digest.hex());
    });
}

}  // namespace llmm::store
