#include "features/downloads/download_store.hpp"

#include "base/error/error.hpp"
#include "features/downloads/download_json.hpp"
#include "features/models/model_store.hpp"
#include "features/tasks/task_store.hpp"
#include "storage/list_query.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::downloads {

using storage::Row;
using storage::Session;

namespace {

constexpr std::string_view kColumns =
    "id, model_id, task_id, ref, status, phase, plan, download_size, total_size, download_speed, eta_seconds, "
    "file_path, "
    "error_code, error_message, priority, speed_limit, attempt, created_at, updated_at, transfer_ms";
// Of the program during a download, with no bytes in between. After the first ones, which anybody may have caused, the
// download rests, so that it can't be what keeps the program from living; the last one is the end of it.
constexpr std::int64_t kPatientDeaths = 3, kMaxDeaths = 10;
constexpr std::chrono::milliseconds kFirstRest{1'000}, kLongestRest{60'000};
constexpr std::size_t kColumnCount = 20;
constexpr storage::SortField kSortFields[] = {{"created_at", "created_at"}, {"updated_at", "updated_at"}};

// What the row alone can say about the files; a running transfer knows better.
std::vector<FileProgress> implied_files(const Plan& plan, Status status, std::int64_t received) {
    std::vector<FileProgress> files(plan.files.size());
    auto left = static_cast<std::uint64_t>(received);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::uint64_t size = plan.files[i].size.value_or(0);
        if (status == Status::completed) {
            files[i] = {
                .received = size, .status = FileStatus::verified, .sha256 = plan.files[i].sha256, .verified = size};
        } else if (plan.files.size() == 1) {
            files[i].received = left;
        }
    }
    return files;
}

Download from_row(const Row& row) {
    const auto task = row.optional_text(2);
    const auto phase = row.optional_text(5);
    Download download{.id = DownloadId::trusted(row.text(0)),
                      .model_id = ModelId::trusted(row.text(1)),
                      .task_id = task ? std::optional(TaskId::trusted(*task)) : std::nullopt,
                      .ref = row.text(3),
                      .status = parse_status(row.text(4)).value_or(Status::failed),
                      .phase = phase ? parse_phase(*phase) : std::nullopt,
                      .plan = read_plan(row.text(6)),
                      .download_size = row.int64(7),
                      .total_size = row.optional_int64(8),
                      .download_speed = row.optional_int64(9),
                      .eta_seconds = row.optional_int64(10),
                      .file_path = row.optional_text(11),
                      .error_code = row.optional_text(12),
                      .error_message = row.optional_text(13),
                      .priority = static_cast<int>(row.int64(14)),
                      .speed_limit = row.optional_int64(15),
                      .attempt = static_cast<int>(row.int64(16)),
                      .transfer_ms = row.int64(19),
                      .files = {},
                      .created_at = row.time(17),
                      .updated_at = row.time(18)};
    download.files = implied_files(download.plan, download.status, download.download_size);
    return download;
}

std::optional<Download> find_where(Session& session, std::string_view condition, const std::string& value) {
    return session.query_one(fmt::format("SELECT {} FROM download_tasks WHERE {}", kColumns, condition), from_row,
                             value);
}

Download require(Session& session, const DownloadId& id) {
    auto download = find_where(session, "id = ?", id.str());
    if (!download) fail(ErrorCode::download_not_found, "there is no download {}", "下载 {} 不存在", id.str());
    return *std::move(download);
}

[[noreturn]] void refuse(const Download& download) {
    throw Error(ErrorCode::state_conflict,
                Text::format("the download is {}; that can't be done now", "下载处于 {} 状态，无法执行该操作",
                             name_of(download.status)),
                {{"state", std::string(name_of(download.status))}});
}

bool is_one_of(Status status, std::initializer_list<Status> states) {
    return std::find(states.begin(), states.end(), status) != states.end();
}

// Puts the download into the queue with a task of its own.
void queue_again(Session& session, const Download& download) {
    if (download.task_id) tasks::request_cancel(session, *download.task_id, now());
    const TaskId task = tasks::enqueue(
        session, {.kind = "download", .subject = download.id.str(), .priority = download.priority, .unique_key = {}},
        now());
    session.execute(
        "UPDATE download_tasks SET status = 'pending', phase = NULL, task_id = ?, error_code = NULL, error_message = "
        "NULL, "
        "download_speed = NULL, eta_seconds = NULL, deaths = 0, updated_at = ? WHERE id = ?",
        task, now(), download.id);
    models::set_status(session, download.model_id, models::Status::downloading);
}

// Takes the download out of the queue and into a state of rest.
void rest(Session& session, const Download& download, Status status) {
    if (download.task_id) tasks::request_cancel(session, *download.task_id, now());
    session.execute(
        "UPDATE download_tasks SET status = ?, phase = NULL, download_speed = NULL, eta_seconds = NULL, updated_at = ? "
        "WHERE id = ?",
        name_of(status), now(), download.id);
    models::set_status(session, download.model_id, models::Status::remote);
}

std::optional<Started> find_started(Session& session, const std::string& ref) {
    const auto model = models::find_by_ref(session, ref);
    if (!model) return std::nullopt;
    if (model->status == models::Status::ready) return Started{.ready = model, .download = {}, .is_new = false};
    const auto download = session.query_one(
        fmt::format(
            "SELECT {} FROM download_tasks WHERE model_id = ? AND status IN ('pending', 'downloading', 'paused') "
            "ORDER BY created_at DESC LIMIT 1",
            kColumns),
        from_row, model->id);
    if (!download) return std::nullopt;
    return Started{.ready = {}, .download = download, .is_new = false};
}

}  // namespace

Task<std::optional<Started>> DownloadStore::find_known(std::string ref) {
    co_return co_await database_.read([ref](Session& session) { return find_started(session, ref); });
}

Task<Started> DownloadStore::start(NewDownload request) {
    co_return co_await database_.write([request](Session& session) -> Started {
        const std::string ref = request.plan.pinned.str();
        if (auto known = find_started(session, ref)) return *std::move(known);
        auto model = models::find_by_ref(session, ref);
        if (!model) {
            model = models::insert_downloading(session, request.plan.pinned, request.name, request.tags,
                                               request.source_metadata);
        }
        const DownloadId id = DownloadId::generate();
        const auto total = request.plan.total_size();
        session.execute(
            "INSERT INTO download_tasks (id, model_id, ref, status, plan, total_size, priority, speed_limit, "
            "created_at, "
            "updated_at) VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?)",
            id, model->id, ref, write_plan(request.plan),
            total ? std::optional(static_cast<std::int64_t>(*total)) : std::nullopt, request.priority,
            request.speed_limit, now(), now());
        queue_again(session, require(session, id));
        return {.ready = {}, .download = require(session, id), .is_new = true};
    });
}

Task<storage::Page<Download>> DownloadStore::list(DownloadQuery query) {
    co_return co_await database_.read([query](Session& session) {
        storage::ListQuery list(kColumns, kColumnCount, "download_tasks", kSortFields, query.sort, query.limit,
                                query.cursor);
        if (query.status) list.where("status = ?", name_of(*query.status));
        return list.run(session, from_row);
    });
}

Task<std::optional<Download>> DownloadStore::find(DownloadId id) {
    co_return co_await database_.read([id](Session& session) { return find_where(session, "id = ?", id.str()); });
}

Task<std::optional<Download>> DownloadStore::newest_of(ModelId id) {
    co_return co_await database_.read([id](Session& session) {
        return find_where(session, "model_id = ? ORDER BY created_at DESC, id DESC LIMIT 1", id.str());
    });
}

Task<std::pair<Download, bool>> DownloadStore::pause(DownloadId id) {
    co_return co_await database_.write([id](Session& session) {
        const Download download = require(session, id);
        if (download.status == Status::paused) return std::pair(download, false);
        if (!is_one_of(download.status, {Status::pending, Status::downloading})) refuse(download);
        rest(session, download, Status::paused);
        return std::pair(require(session, id), true);
    });
}

Task<std::pair<Download, bool>> DownloadStore::cancel(DownloadId id) {
    co_return co_await database_.write([id](Session& session) {
        const Download download = require(session, id);
        if (download.status == Status::cancelled) return std::pair(download, false);
        if (!is_one_of(download.status, {Status::pending, Status::downloading, Status::paused})) refuse(download);
        rest(session, download, Status::cancelled);
        return std::pair(require(session, id), true);
    });
}

Task<std::pair<Download, bool>> DownloadStore::resume(DownloadId id) {
    co_return co_await database_.write([id](Session& session) {
        const Download download = require(session, id);
        if (is_one_of(download.status, {Status::pending, Status::downloading})) return std::pair(download, false);
        if (download.status != Status::paused) refuse(download);
        queue_again(session, download);
        return std::pair(require(session, id), true);
    });
}

Task<std::pair<Download, bool>> DownloadStore::retry(DownloadId id) {
    co_return co_await database_.write([id](Session& session) {
        const Download download = require(session, id);
        if (is_one_of(download.status, {Status::pending, Status::downloading})) return std::pair(download, false);
        if (!is_one_of(download.status, {Status::failed, Status::cancelled})) refuse(download);
        queue_again(session, download);
        return std::pair(require(session, id), true);
    });
}

Task<Download> DownloadStore::update(DownloadId id, std::optional<int> priority,
                                     std::optional<std::optional<std::int64_t>> speed_limit) {
    co_return co_await database_.write([=](Session& session) {
        const Download download = require(session, id);
        if (is_one_of(download.status, {Status::completed, Status::failed, Status::cancelled})) refuse(download);
        session.execute("UPDATE download_tasks SET priority = ?, speed_limit = ?, updated_at = ? WHERE id = ?",
                        priority.value_or(download.priority), speed_limit.value_or(download.speed_limit), now(), id);
        if (priority && download.task_id) {
            session.execute("UPDATE tasks SET priority = ? WHERE id = ?", *priority, *download.task_id);
        }
        return require(session, id);
    });
}

Task<> DownloadStore::remove(DownloadId id) {
    co_await database_.write([id](Session& session) {
        const Download download = require(session, id);
        if (download.task_id) tasks::request_cancel(session, *download.task_id, now());
        session.execute("DELETE FROM download_tasks WHERE id = ?", id);
        models::remove_if_unused(session, download.model_id);
    });
}

Task<std::chrono::milliseconds> DownloadStore::rest_after_deaths(DownloadId id) {
    co_return co_await database_.write([id](Session& session) -> std::chrono::milliseconds {
        // The queue buries a task after three workers; what goes on where it stopped may outlive any number of them.
        session.execute("UPDATE tasks SET lost_leases = 0 WHERE id = (SELECT task_id FROM download_tasks WHERE id = ?)",
                        id);
        const auto deaths = session.query_one(
            "SELECT deaths FROM download_tasks WHERE id = ?", [](const Row& row) { return row.int64(0); }, id);
        if (!deaths || *deaths < kPatientDeaths) return std::chrono::milliseconds(0);
        return std::min(kLongestRest, kFirstRest * (1 << (*deaths - kPatientDeaths)));
    });
}

Task<bool> DownloadStore::begin_attempt(DownloadId id) {
    co_return co_await database_.write([id](Session& session) {
        const auto changed = session.execute(
            "UPDATE download_tasks SET status = 'downloading', phase = 'resolving', attempt = attempt + 1, "
            "deaths = deaths + 1, error_code = NULL, error_message = NULL, updated_at = ? WHERE id = ? AND status IN "
            "('pending', 'downloading')",
            now(), id);
        if (changed == 0) return false;
        const auto deaths = session.query_one(
            "SELECT deaths FROM download_tasks WHERE id = ?", [](const Row& row) { return row.int64(0); }, id);
        if (deaths && *deaths > kMaxDeaths) {
            const Download download = require(session, id);
            rest(session, download, Status::failed);
            session.execute("UPDATE download_tasks SET error_code = 'INTERNAL', error_message = ? WHERE id = ?",
                            "the program ended too often during this download", id);
            return false;
        }
        return true;
    });
}

Task<> DownloadStore::note_life(DownloadId id) {
    co_await database_.write(
        [id](Session& session) { session.execute("UPDATE download_tasks SET deaths = 0 WHERE id = ?", id); });
}

Task<> DownloadStore::save_progress(DownloadId id, Phase phase, std::int64_t received,
                                    std::optional<std::int64_t> speed, std::optional<std::int64_t> eta,
                                    std::int64_t transfer_ms) {
    co_await database_.write([=](Session& session) {
        session.execute(
            "UPDATE download_tasks SET phase = ?, download_size = ?, download_speed = ?, eta_seconds = ?, "
            "transfer_ms = ?, updated_at = ? WHERE id = ? AND status = 'downloading'",
            name_of(phase), received, speed, eta, transfer_ms, now(), id);
    });
}

Task<> DownloadStore::complete(Download download, std::vector<models::ModelFile> files, models::ModelFacts facts,
                               std::string file_path, std::int64_t transfer_ms) {
    co_await database_.write([=](Session& session) {
        std::int64_t total = 0;
        for (const models::ModelFile& file : files)
            total += file.size;
        models::set_ready(session, download.model_id, files, facts);
        session.execute(
            "UPDATE download_tasks SET status = 'completed', phase = NULL, download_size = ?, total_size = ?, "
            "download_speed = NULL, eta_seconds = NULL, file_path = ?, transfer_ms = ?, updated_at = ? WHERE id = ?",
            total, total, file_path, transfer_ms, now(), download.id);
    });
}

Task<> DownloadStore::fail_attempt(DownloadId id, bool final, std::string error_code, std::string error_message,
                                   std::int64_t received) {
    co_await database_.write([=](Session& session) {
        const auto download = find_where(session, "id = ?", id.str());
        if (!download || download->status != Status::downloading) return;
        session.execute(
            "UPDATE download_tasks SET status = ?, phase = NULL, download_size = ?, download_speed = NULL, eta_seconds "
            "= NULL, "
            "error_code = ?, error_message = ?, updated_at = ? WHERE id = ?",
            name_of(final ? Status::failed : Status::pending), received, error_code, error_message, now(), id);
        if (final) models::set_status(session, download->model_id, models::Status::remote);
    });
}

Task<int> DownloadStore::recover() {
    co_return co_await database_.write([](Session& session) {
        const auto stale = session.query(
            "SELECT d.id, d.model_id, t.state, t.error_message FROM download_tasks d LEFT JOIN tasks t ON t.id = "
            "d.task_id "
            "WHERE d.status IN ('pending', 'downloading')",
            [](const Row& row) {
                return std::tuple(row.text(0), row.text(1), row.optional_text(2).value_or("failed"),
                                  row.optional_text(3));
            });
        int changed = 0;
        for (const auto& [id, model, state, message] : stale) {
            const bool alive = state == "queued" || state == "running";
            changed += static_cast<int>(session.execute(
                "UPDATE download_tasks SET status = ?, phase = NULL, download_speed = NULL, eta_seconds = NULL, "
                "updated_at = ?, "
                "error_message = COALESCE(?, error_message), error_code = CASE WHEN ? = 1 THEN error_code ELSE "
                "'INTERNAL' END "
                "WHERE id = ? AND (status = 'downloading' OR ? = 0)",
                name_of(alive ? Status::pending : Status::failed), now(), message, alive ? 1 : 0, id, alive ? 1 : 0));
            if (!alive) models::set_status(session, ModelId::trusted(model), models::Status::remote);
        }
        return changed;
    });
}

}  // namespace llmm::downloads
