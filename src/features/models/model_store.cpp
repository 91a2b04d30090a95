#include "features/models/model_store.hpp"

#include "base/error/error.hpp"
#include "features/models/model_json.hpp"
#include "storage/list_query.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::models {

using storage::Row;
using storage::Session;

namespace {

constexpr std::string_view kColumns =
    "id, ref, name, description, source, model_type, size_bytes, parameters, tags, status, format, quantization, "
    "architecture, context_length, license, metadata, created_at, updated_at, "
    "(SELECT COUNT(*) FROM model_files f WHERE f.model_id = models.id), "
    "(SELECT MIN(b.verified_at) FROM model_files f JOIN blobs b ON b.sha256 = f.sha256 WHERE f.model_id = models.id)";
constexpr std::size_t kColumnCount = 20;
constexpr storage::SortField kSortFields[] = {
    {"created_at", "created_at"}, {"updated_at", "updated_at"}, {"name", "name", true}};

Model from_row(const Row& row) {
    std::string metadata = row.text(15);
    const auto stock_compatible = read_stock_compatible(metadata);
    const auto format = row.optional_text(10);
    return {.id = ModelId::trusted(row.text(0)),
            .ref = row.text(1),
            .name = row.text(2),
            .description = row.text(3),
            .source = parse_source(row.text(4)).value_or(Source::local),
            .model_type = row.text(5),
            .size_bytes = row.int64(6),
            .parameters = row.optional_int64(7),
            .tags = read_tags(row.text(8)),
            .status = parse_status(row.text(9)).value_or(Status::broken),
            .format = format ? parse_format(*format) : std::nullopt,
            .quantization = row.optional_text(11),
            .architecture = row.optional_text(12),
            .context_length = row.optional_int64(13),
            .license = row.optional_text(14),
            .metadata = std::move(metadata),
            .stock_compatible = stock_compatible,
            .file_count = row.int64(18),
            .verified_at = row.optional_time(19),
            .created_at = row.time(16),
            .updated_at = row.time(17)};
}

std::optional<Model> find_where(Session& session, std::string_view condition, const std::string& value) {
    return session.query_one(fmt::format("SELECT {} FROM models WHERE {}", kColumns, condition), from_row, value);
}

// The text of a LIKE that finds `text` anywhere, its own wildcards taken literally.
std::string like_pattern(std::string_view text) {
    std::string pattern = "%";
    for (const char c : text) {
        if (c == '%' || c == '_' || c == '\\') pattern += '\\';
        pattern += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return pattern + "%";
}

bool same_text(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

constexpr std::string_view kSelectFiles =
    "SELECT f.model_id, f.path, f.size, f.sha256, b.verified_at FROM model_files f JOIN blobs b ON b.sha256 = f.sha256";

ModelFile file_from_row(const Row& row) {
    return {.model_id = ModelId::trusted(row.text(0)),
            .path = row.text(1),
            .size = row.int64(2),
            .sha256 = Sha256::parse(row.text(3)).value(),
            .verified_at = row.optional_time(4)};
}

}  // namespace

Model insert_downloading(Session& session, const ModelRef& pinned, const std::string& name,
                         const std::vector<std::string>& tags, const std::string& source_metadata) {
    const ModelId id = ModelId::generate();
    session.execute(
        "INSERT INTO models (id, ref, name, source, tags, metadata, status, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 'downloading', ?, ?)",
        id, pinned.str(), name, name_of(pinned.source), write_tags(tags), write_source_metadata(source_metadata), now(),
        now());
    return find_where(session, "id = ?", id.str()).value();
}

std::optional<Model> find_by_ref(Session& session, const std::string& canonical_ref) {
    return find_where(session, "ref = ?", canonical_ref);
}

void set_status(Session& session, const ModelId& id, Status status) {
    session.execute("UPDATE models SET status = ?, updated_at = ? WHERE id = ?", name_of(status), now(), id);
}

void set_ready(Session& session, const ModelId& id, const std::vector<ModelFile>& files, const ModelFacts& facts) {
    session.execute("DELETE FROM model_files WHERE model_id = ?", id);
    std::int64_t total = 0;
    for (const ModelFile& file : files) {
        session.execute(
            "INSERT INTO blobs (sha256, size, verified_at, created_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (sha256) DO UPDATE SET verified_at = excluded.verified_at",
            file.sha256.hex(), file.size, now(), now());
        session.execute("INSERT INTO model_files (model_id, path, size, sha256) VALUES (?, ?, ?, ?)", id, file.path,
                        file.size, file.sha256.hex());
        total += file.size;
    }
    const auto old =
        session.query_one("SELECT metadata FROM models WHERE id = ?", [](const Row& row) { return row.text(0); }, id);
    const std::optional<std::string> format =
        facts.format ? std::optional(std::string(name_of(*facts.format))) : std::nullopt;
    session.execute(
        "UPDATE models SET status = 'ready', size_bytes = ?, parameters = ?, format = ?, quantization = ?, "
        "architecture = ?, "
        "context_length = ?, license = ?, metadata = ?, updated_at = ? WHERE id = ?",
        total, facts.parameters, format, facts.quantization, facts.architecture, facts.context_length, facts.license,
        keep_source_metadata(old.value_or("{}"), facts.metadata), now(), id);
}

void remove_if_unused(Session& session, const ModelId& id) {
    session.execute(
        "DELETE FROM models WHERE id = ? AND status <> 'ready' AND NOT EXISTS (SELECT 1 FROM model_files WHERE "
        "model_id = models.id) "
        "AND NOT EXISTS (SELECT 1 FROM deployments WHERE model_id = models.id) "
        "AND NOT EXISTS (SELECT 1 FROM download_tasks WHERE model_id = models.id AND status NOT IN ('failed', "
        "'cancelled'))",
        id);
}

Task<storage::Page<Model>> ModelStore::list(ModelQuery query) {
    co_return co_await database_.read([query](Session& session) {
        storage::ListQuery list(kColumns, kColumnCount, "models", kSortFields, query.sort, query.limit, query.cursor);
        if (query.status) list.where("status = ?", name_of(*query.status));
        if (query.source) list.where("source = ?", name_of(*query.source));
        if (query.format) list.where("format = ?", name_of(*query.format));
        if (!query.text.empty()) {
            list.where("LOWER(name || ' ' || ref || ' ' || tags) LIKE ? ESCAPE '\\'", like_pattern(query.text));
        }
        return list.run(session, from_row);
    });
}

Task<std::optional<Model>> ModelStore::find(ModelId id) {
    co_return co_await database_.read([id](Session& session) { return find_where(session, "id = ?", id.str()); });
}

Task<std::optional<Model>> ModelStore::find_ready(ModelRef ref) {
    const std::string prefix = std::string(name_of(ref.source)) + ":" + ref.repo + "@";
    const auto candidates = co_await database_.read([&](Session& session) {
        return session.query(
            fmt::format("SELECT {} FROM models WHERE status = 'ready' AND LOWER(ref) LIKE ? ESCAPE '\\' "
                        "ORDER BY created_at DESC, id DESC LIMIT 200",
                        kColumns),
            from_row, like_pattern(prefix).substr(1));
    });
    for (const Model& model : candidates) {
        const ModelRef known = parse_model_ref(model.ref);
        const bool revision = ref.revision.empty() || known.revision == ref.revision;
        const bool variant = ref.variant.empty() || same_text(known.variant, ref.variant);
        if (revision && variant) co_return model;
    }
    co_return std::nullopt;
}

Task<bool> ModelStore::update(ModelId id, std::optional<std::string> name, std::optional<std::string> description,
                              std::optional<std::vector<std::string>> tags) {
    const std::optional<std::string> tags_text = tags ? std::optional(write_tags(*tags)) : std::nullopt;
    co_return co_await database_.write([=](Session& session) {
        return session.execute(
                   "UPDATE models SET name = COALESCE(?, name), description = COALESCE(?, description), "
                   "tags = COALESCE(?, tags), updated_at = ? WHERE id = ?",
                   name, description, tags_text, now(), id) > 0;
    });
}

Task<std::vector<ModelFile>> ModelStore::files(ModelId id) {
    co_return co_await database_.read([id](Session& session) {
        return session.query(fmt::format("{} WHERE f.model_id = ? ORDER BY f.path", kSelectFiles), file_from_row, id);
    });
}

Task<storage::Page<ModelFile>> ModelStore::file_page(ModelId id, int limit, std::string cursor) {
    constexpr std::string_view kOrder = "path";
    storage::Param after{std::string()};
    if (!cursor.empty()) after = storage::Cursor::parse(cursor, kOrder).value_param();
    auto files = co_await database_.read([&](Session& session) {
        return session.query(
            fmt::format("{} WHERE f.model_id = ? AND f.path > ? ORDER BY f.path LIMIT ?", kSelectFiles), file_from_row,
            id, after, limit + 1);
    });
    co_return storage::make_page(std::move(files), static_cast<std::size_t>(limit), [&](const ModelFile& file) {
        return storage::Cursor{.sort = std::string(kOrder), .value = file.path, .id = id.str()};
    });
}

Task<std::vector<std::pair<Sha256, std::int64_t>>> ModelStore::remove(ModelId id) {
    co_return co_await database_.write([id](Session& session) {
        const auto deployments = session.query(
            "SELECT name FROM deployments WHERE model_id = ?", [](const Row& row) { return row.text(0); }, id);
        if (!deployments.empty()) {
            throw Error(ErrorCode::model_in_use,
                        Text::format("the model is deployed as {}; delete the deployment first",
                                     "模型已部署为 {}，请先删除部署", fmt::format("{}", fmt::join(deployments, ", "))),
                        {{"state", std::string("deployed")}, {"deployments", deployments}});
        }
        const auto busy = session.query_one(
            "SELECT id FROM download_tasks WHERE model_id = ? AND status IN ('pending', 'downloading')",
            [](const Row& row) { return row.text(0); }, id);
        if (busy) {
            throw Error(ErrorCode::model_in_use,
                        Text{"the model is being downloaded; cancel the download first", "模型正在下载，请先取消下载"},
                        {{"state", std::string("downloading")}, {"download", *busy}});
        }
        const auto blobs = session.query(
            "SELECT DISTINCT sha256 FROM model_files WHERE model_id = ?", [](const Row& row) { return row.text(0); },
            id);
        if (session.execute("DELETE FROM models WHERE id = ?", id) == 0) {
            fail(ErrorCode::model_not_found, "there is no model {}", "模型 {} 不存在", id.str());
        }
        std::vector<std::pair<Sha256, std::int64_t>> freed;
        for (const std::string& blob : blobs) {
            const auto size = session.query_one(
                "SELECT size FROM blobs WHERE sha256 = ? AND NOT EXISTS (SELECT 1 FROM model_files WHERE sha256 = "
                "blobs.sha256)",
                [](const Row& row) { return row.int64(0); }, blob);
            if (!size) continue;
            session.execute("DELETE FROM blobs WHERE sha256 = ?", blob);
            freed.emplace_back(Sha256::parse(blob).value(), *size);
        }
        return freed;
    });
}

Task<Model> ModelStore::add_external(std::string name, std::string ref) {
    co_return co_await database_.write([&](Session& session) {
        if (auto found = find_by_ref(session, ref)) return std::move(*found);
        const TimePoint time = now();
        session.execute(
            "INSERT INTO models (id, ref, name, source, status, created_at, updated_at) "
            "VALUES (?, ?, ?, 'external', 'ready', ?, ?)",
            ModelId::generate(), ref, name, time, time);
        return find_by_ref(session, ref).value();
    });
}

Task<> ModelStore::remove_external(ModelId id) {
    co_await database_.write([&](Session& session) {
        session.execute(
            "DELETE FROM models WHERE id = ? AND source = 'external' AND NOT EXISTS "
            "(SELECT 1 FROM deployments WHERE deployments.model_id = models.id)",
            id);
    });
}

Task<> ModelStore::set_verified(Sha256 blob) {
    co_await database_.write([blob](Session& session) {
        session.execute("UPDATE blobs SET verified_at = ? WHERE sha256 = ?", now(), blob.hex());
    });
}

Task<> ModelStore::mark(ModelId id, Status status) {
    co_await database_.write([=](Session& session) { set_status(session, id, status); });
}

}  // namespace llmm::models
