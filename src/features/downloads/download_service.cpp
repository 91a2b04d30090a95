#include "features/downloads/download_service.hpp"

#include "base/async/race.hpp"
#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "features/downloads/download_plan.hpp"
#include "features/downloads/part_file.hpp"
#include "features/models/model_facts.hpp"
#include "features/models/model_service.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

namespace llmm::downloads {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// A download that this process transfers now.
struct DownloadService::Active {
    explicit Active(Download row) : download(std::move(row)) {}

    Download download;
    std::vector<std::unique_ptr<FileTransfer>> transfers;
    SpeedLimit speed_limit;
    std::exception_ptr failure;  // the first of any file
    int open_files = 0, open_large_files = 0;
    std::unique_ptr<Signal> file_ended;
    Clock::time_point began_at{};
    Phase phase = Phase::resolving;
    double speed = 0;  // bytes/s, smoothed
    std::function<void(double)> report;

    std::uint64_t received() const {
        std::uint64_t total = 0;
        for (const auto& transfer : transfers)
            total += transfer->received();
        return total;
    }
    std::uint64_t fetched() const {
        std::uint64_t total = 0;
        for (const auto& transfer : transfers)
            total += transfer->fetched();
        return total;
    }
    std::int64_t transfer_ms() const {
        if (began_at == Clock::time_point{}) return download.transfer_ms;
        return download.transfer_ms +
               std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_at).count();
    }
    Phase shown_phase() const {
        if (phase != Phase::transferring) return phase;
        const auto waits = [](const auto& transfer) { return transfer->is_waiting(); };
        const auto works = [](const auto& transfer) { return transfer->connections() > 0; };
        const bool idle = std::none_of(transfers.begin(), transfers.end(), works);
        return idle && std::any_of(transfers.begin(), transfers.end(), waits) ? Phase::waiting_for_source : phase;
    }
};

namespace {

// Many small files are fetched at once, but few large ones: their beginnings should be there early.
constexpr int kMaxOpenFiles = 32, kMaxOpenLargeFiles = 4;
constexpr std::uint64_t kLargeFile = 32 << 20;

Error no_space(std::uint64_t needed, std::uint64_t free, std::uint64_t keep_free) {
    return Error(ErrorCode::disk_full,
                 Text::format("the download needs {:.2f} GB and the disk has {:.2f} GB free; make room and try again",
                              "下载需要 {:.2f} GB，磁盘剩余 {:.2f} GB；请腾出空间后重试",
                              static_cast<double>(needed) / 1e9, static_cast<double>(free) / 1e9),
                 {{"needed_bytes", static_cast<std::int64_t>(needed)},
                  {"free_bytes", static_cast<std::int64_t>(free)},
                  {"keep_free_bytes", static_cast<std::int64_t>(keep_free)}});
}

// A hub lists its own digests; of a plain address only the caller can know one.
void promise(models::ModelRef& ref, const Sha256& digest) {
    const auto refuse = [](Text problem) {
        throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                    {{"sha256", FieldProblem{std::move(problem)}}});
    };
    if (ref.source != models::Source::url) {
        refuse(
            {"is for plain addresses: a hub lists the digests of its files", "仅用于普通地址：模型站会列出文件的摘要"});
    }
    if (!ref.revision.empty() && ref.revision != digest.hex())
        refuse({"differs from the one in the reference", "与引用中的摘要不一致"});
    ref.revision = digest.hex();
}

}  // namespace

DownloadService::DownloadService(Deps deps, Settings settings)
    : deps_(deps),
      settings_(std::move(settings)),
      speed_limit_(settings_.speed_limit),
      scheduler_(settings_.connections),
      ended_(deps.executor) {
    deps_.queue.add_kind("download", settings_.parallel, [this](const tasks::TaskRun& task) { return run(task); });
}

std::filesystem::path DownloadService::directory(const DownloadId& id) const {
    return settings_.home / "downloads" / id.str();
}

OverallLimit DownloadService::overall_limit() const {
    OverallLimit limit{.now = settings_.speed_limit, .otherwise = settings_.speed_limit, .window = {}, .schedule = {}};
    if (const auto* window = settings_.schedule.window_at(week_time(now()))) {
        limit.now = window->limit;
        limit.window = window->text;
    }
    for (const SpeedSchedule::Window& window : settings_.schedule.windows())
        limit.schedule.push_back(window.text);
    return limit;
}

void DownloadService::follow_schedule() {
    const auto* window = settings_.schedule.window_at(week_time(now()));
    const std::uint64_t limit = window ? window->limit : settings_.speed_limit;
    if (limit == speed_limit_.get()) return;
    speed_limit_.set(limit);
    log::info("the speed limit of all downloads has changed", {{"bytes_per_second", static_cast<std::int64_t>(limit)}});
}

Task<> DownloadService::recover() {
    const int changed = co_await deps_.store.recover();
    if (changed > 0) log::info("downloads go on after a restart", {{"downloads", changed}});
    co_await drop_leftovers();
}

// Parts of who was killed between the end of a download and their removal.
Task<> DownloadService::drop_leftovers() {
    std::vector<DownloadId> found;
    co_await deps_.files.run([&found, path = settings_.home / "downloads"] {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
            if (const auto id = DownloadId::parse(entry.path().filename().string())) found.push_back(*id);
        }
    });
    for (const DownloadId& id : found) {
        const auto download = co_await deps_.store.find(id);
        if (!download || download->status == Status::completed || download->status == Status::cancelled)
            co_await drop_parts(id);
    }
}

std::filesystem::path DownloadService::part_of(const Download& download, std::size_t file) const {
    return directory(download.id) / (std::to_string(file) + ".part");
}

std::uint64_t DownloadService::space_needed(const Download& download) const {
    std::uint64_t needed = 0;
    for (std::size_t i = 0; i < download.plan.files.size(); ++i) {
        const std::uint64_t size = download.plan.files[i].size.value_or(0);
        needed += size - std::min(size, PartFile::allocated(part_of(download, i)));
    }
    return needed;
}

void DownloadService::reserve_space(const Download& download) const {
    const std::uint64_t needed = space_needed(download);
    const DiskSpace space = disk_space(settings_.home);
    if (space.free_bytes < needed + settings_.keep_free) throw no_space(needed, space.free_bytes, settings_.keep_free);
    std::vector<std::filesystem::path> reserved;
    try {
        for (std::size_t i = 0; i < download.plan.files.size(); ++i) {
            const auto part = part_of(download, i);
            if (PartFile::allocated(part) == 0) reserved.push_back(part);
            PartFile::reserve(part, download.plan.files[i].size.value_or(0));
        }
    } catch (const Error&) {
        // Somebody else was faster. What holds nothing yet holds no space either while this waits.
        for (const auto& part : reserved)
            PartFile::remove(part);
        throw;
    }
}

Task<Started> DownloadService::start(DownloadRequest request) {
    models::ModelRef asked = models::parse_model_ref(request.ref);
    if (request.sha256) promise(asked, *request.sha256);
    const models::RemoteModel remote = co_await deps_.hubs.resolve(std::move(asked));
    NewDownload wish{.plan = make_plan(remote, request.files),
                     .name = remote.repository.summary.name,
                     .tags = remote.repository.summary.tags,
                     .source_metadata = remote.repository.metadata,
                     .priority = request.priority,
                     .speed_limit = request.speed_limit};
    // A gated repository lists its files to everybody and gives them to few: better refused now than in the background.
    if (remote.repository.summary.gated) {
        const auto& pinned = wish.plan.pinned;
        co_await deps_.hubs.hub(pinned.source).locate(pinned.repo, pinned.revision, wish.plan.files.front().path);
    }
    // What could fit once others have made room waits for it; what is larger than the disk is refused.
    const std::uint64_t needed = wish.plan.total_size().value_or(0);
    const DiskSpace space = co_await deps_.files.run([this] { return disk_space(settings_.home); });
    if (space.total_bytes < needed + settings_.keep_free) {
        const auto known = co_await deps_.store.find_known(wish.plan.pinned.str());
        if (!known) throw no_space(needed, space.free_bytes, settings_.keep_free);
        co_return *known;
    }
    Started started = co_await deps_.store.start(std::move(wish));
    if (started.download) started.download = with_live(*std::move(started.download));
    if (started.is_new) {
        if (on_change) on_change(*started.download);
        deps_.queue.wake();
    }
    co_return started;
}

Download DownloadService::with_live(Download download) const {
    const auto found = active_.find(download.id);
    if (found == active_.end() || download.status != Status::downloading) return download;
    const Active& active = *found->second;
    download.phase = active.shown_phase();
    download.transfer_ms = active.transfer_ms();
    if (active.transfers.empty()) return download;
    download.download_size = static_cast<std::int64_t>(active.received());
    download.files.clear();
    for (const auto& transfer : active.transfers) {
        download.files.push_back(transfer->progress());
        download.connections += transfer->connections();
        // As long as anything of it comes from elsewhere, that is worth knowing.
        if (transfer->source() != models::name_of(download.plan.pinned.source) &&
            transfer->progress().status == FileStatus::downloading)
            download.source = transfer->source();
    }
    // Less than a byte a second is what is left of an average after a silence: no time follows from it.
    if (active.phase == Phase::transferring && active.speed >= 1) {
        download.download_speed = static_cast<std::int64_t>(active.speed);
        if (download.total_size) {
            const auto left = std::max<std::int64_t>(0, *download.total_size - download.download_size);
            download.eta_seconds = static_cast<std::int64_t>(static_cast<double>(left) / active.speed);
        }
    }
    return download;
}

Task<storage::Page<Download>> DownloadService::list(DownloadQuery query) {
    auto page = co_await deps_.store.list(std::move(query));
    for (Download& download : page.items)
        download = with_live(std::move(download));
    co_return page;
}

Task<Download> DownloadService::get(DownloadId id) {
    auto download = co_await deps_.store.find(id);
    if (!download) fail(ErrorCode::download_not_found, "there is no download {}", "下载 {} 不存在", id.str());
    co_return with_live(*std::move(download));
}

Task<Download> DownloadService::show(DownloadId id) {
    if (auto newest = co_await deps_.store.newest_of(ModelId::trusted(id.str())))
        co_return with_live(*std::move(newest));
    co_return co_await get(std::move(id));
}

// Brings a transfer that runs here to its end before the caller hears that the download rests.
Task<std::pair<Download, bool>> DownloadService::rest(std::pair<Download, bool> outcome, bool drop) {
    const DownloadId id = outcome.first.id;
    if (outcome.second) {
        if (outcome.first.task_id) deps_.queue.interrupt(*outcome.first.task_id);
        co_await wait_until_idle(id);
        if (drop) co_await drop_parts(id);
        if (on_change) on_change(co_await get(id));
    }
    co_return std::pair(co_await get(id), outcome.second);
}

Task<std::pair<Download, bool>> DownloadService::pause(DownloadId id) {
    co_return co_await rest(co_await deps_.store.pause(id), false);
}

Task<std::pair<Download, bool>> DownloadService::cancel(DownloadId id) {
    co_return co_await rest(co_await deps_.store.cancel(id), true);
}

Task<std::pair<Download, bool>> DownloadService::resume(DownloadId id) {
    auto outcome = co_await deps_.store.resume(id);
    deps_.queue.wake();
    if (outcome.second && on_change) on_change(outcome.first);
    co_return std::pair(with_live(outcome.first), outcome.second);
}

Task<std::pair<Download, bool>> DownloadService::retry(DownloadId id) {
    auto outcome = co_await deps_.store.retry(id);
    deps_.queue.wake();
    if (outcome.second && on_change) on_change(outcome.first);
    co_return std::pair(with_live(outcome.first), outcome.second);
}

Task<Download> DownloadService::update(DownloadId id, DownloadChanges changes) {
    Download download = co_await deps_.store.update(id, changes.priority, changes.speed_limit);
    if (const auto found = active_.find(id); found != active_.end()) {
        Active& active = *found->second;
        active.download.priority = download.priority;
        active.download.speed_limit = download.speed_limit;
        active.speed_limit.set(static_cast<std::uint64_t>(download.speed_limit.value_or(0)));
    }
    co_return with_live(std::move(download));
}

Task<> DownloadService::remove(DownloadId id) {
    const Download download = co_await get(id);
    co_await deps_.store.remove(id);
    if (download.task_id) deps_.queue.interrupt(*download.task_id);
    co_await wait_until_idle(id);
    co_await drop_parts(id);
}

Task<> DownloadService::wait_until_idle(DownloadId id) {
    while (active_.contains(id))
        co_await ended_.wait();
}

Task<> DownloadService::drop_parts(DownloadId id) {
    co_await deps_.files.run([path = directory(id)] {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    });
}

Task<> DownloadService::run(const tasks::TaskRun& task) {
    const auto id = DownloadId::trusted(task.task.subject);
    // An earlier run of the same download (paused and resumed in a moment) ends first.
    co_await wait_until_idle(id);
    co_await sleep_for(co_await deps_.store.rest_after_deaths(id));
    auto download = co_await deps_.store.find(id);
    if (!download || download->task_id != task.task.id || !co_await deps_.store.begin_attempt(id)) co_return;
    auto active = std::make_shared<Active>(*std::move(download));
    active->download.status = Status::downloading;
    active->report = task.report_progress;
    active_[id] = active;

    std::exception_ptr failure;
    try {
        co_await transfer(active);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto received = static_cast<std::int64_t>(active->received());
    std::optional<Error> error;
    try {
        if (failure) std::rethrow_exception(failure);
    } catch (const Error& caught) {
        error = caught;
    } catch (const boost::system::system_error&) {
        // Cancelled: paused, cancelled, or the program ends. The row says which; a later run goes on from the parts.
    } catch (const std::exception& caught) {
        error = Error(ErrorCode::internal, Text{"an unexpected error", "发生意外错误"}).with_log_note(caught.what());
    }
    if (error) {
        const bool final = task.last_attempt || !tasks::is_transient(error->code());
        co_await deps_.store.fail_attempt(id, final, std::string(name_of(error->code())), error->message().en,
                                          received);
    }
    co_await deps_.store.note_life(id);
    active_.erase(id);
    ended_.notify();
    if (on_change) {
        if (const auto now = co_await deps_.store.find(id)) on_change(*now);
    }
    if (failure) std::rethrow_exception(failure);
}

Task<> DownloadService::transfer(std::shared_ptr<Active> active) {
    const Download& download = active->download;
    follow_schedule();
    active->speed_limit.set(static_cast<std::uint64_t>(download.speed_limit.value_or(0)));
    active->file_ended = std::make_unique<Signal>(deps_.executor);
    for (bool done = false; !done;) {
        try {
            co_await deps_.files.run([&] {
                make_directories(directory(download.id));
                reserve_space(download);
            });
            active->phase = Phase::transferring;
            co_await race(transfer_files(active), report_progress(active));
            done = true;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::disk_full) throw;
        }
        if (!done) co_await wait_for_space(active);
    }
    if (deps_.scanner) {
        active->phase = Phase::verifying;
        if (on_change) on_change(with_live(download));
        co_await scan(active);
    }
    active->phase = Phase::publishing;
    if (on_change) on_change(with_live(download));
    co_await publish(active);
}

// Nothing that has arrived is lost, and it goes on by itself.
Task<> DownloadService::wait_for_space(std::shared_ptr<Active> active) {
    const Download& download = active->download;
    log::warning("a download waits for disk space", {{"download", download.id.str()}});
    active->phase = Phase::waiting_for_space;
    active->speed = 0;
    for (;;) {
        if (on_change) on_change(with_live(download));
        co_await sleep_for(2s);
        const auto [needed, free] = co_await deps_.files.run(
            [&] { return std::pair(space_needed(download), disk_space(settings_.home).free_bytes); });
        // A little more than nothing also when all parts are there: something else ran out of space.
        constexpr std::uint64_t kLeast = 1 << 20;
        if (free >= std::max(needed + settings_.keep_free, kLeast)) co_return;
    }
}

Task<> DownloadService::transfer_files(std::shared_ptr<Active> active) {
    const Download& download = active->download;
    active->transfers.clear();
    active->failure = nullptr;
    for (std::size_t i = 0; i < download.plan.files.size(); ++i) {
        active->transfers.push_back(std::make_unique<FileTransfer>(
            FileTransfer::Deps{deps_.executor, deps_.http, deps_.files, blocks_, deps_.blobs, deps_.hubs, scheduler_,
                               speed_limit_, active->speed_limit},
            download.plan, download.plan.files[i], part_of(download, i), download.priority));
    }
    active->began_at = Clock::now();
    TaskGroup files(deps_.executor);
    std::exception_ptr cancelled;
    try {
        for (std::size_t i = 0; i < active->transfers.size() && !active->failure; ++i) {
            const bool is_large = download.plan.files[i].size.value_or(0) >= kLargeFile;
            while (active->open_files >= kMaxOpenFiles || (is_large && active->open_large_files >= kMaxOpenLargeFiles))
                co_await active->file_ended->wait();
            ++active->open_files;
            active->open_large_files += is_large ? 1 : 0;
            files.spawn("file transfer", transfer_one(active, i));
        }
        while (active->open_files > 0 && !active->failure)
            co_await active->file_ended->wait();
        if (!active->failure) co_await files.wait();
    } catch (...) {
        cancelled = std::current_exception();
    }
    if (cancelled || active->failure) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await files.stop();
        active->download.transfer_ms = active->transfer_ms();
        active->began_at = {};
        std::rethrow_exception(cancelled ? cancelled : active->failure);
    }
    active->download.transfer_ms = active->transfer_ms();
    active->began_at = {};
}

Task<> DownloadService::transfer_one(std::shared_ptr<Active> active, std::size_t file) {
    struct Open {
        ~Open() {
            --active.open_files;
            active.open_large_files -= is_large ? 1 : 0;
            active.file_ended->notify();
        }
        Active& active;
        bool is_large;
    };
    FileTransfer& transfer = *active->transfers[file];
    const Open open(*active, transfer.file().size.value_or(0) >= kLargeFile);
    try {
        co_await transfer.run();
    } catch (const Error&) {
        if (!active->failure) active->failure = std::current_exception();
    }
}

Task<> DownloadService::report_progress(std::shared_ptr<Active> active) {
    std::uint64_t last = active->received();
    bool has_life = false;
    auto last_time = Clock::now(), last_saved = last_time;
    for (;;) {
        co_await sleep_for(250ms);  // four times a second: the contract allows five updates
        follow_schedule();
        scheduler_.tick();
        const auto now = Clock::now();
        const std::uint64_t received = active->received();
        const double seconds = std::chrono::duration<double>(now - last_time).count();
        const double current = received >= last ? static_cast<double>(received - last) / seconds : 0;
        constexpr double kSmoothing = 0.2;  // half of a change shows after about 0.8 s
        active->speed = active->speed == 0 ? current : active->speed + kSmoothing * (current - active->speed);
        last = received;
        last_time = now;
        const Download download = with_live(active->download);
        if (on_change) on_change(download);
        if (active->fetched() > 0 && !std::exchange(has_life, true)) co_await deps_.store.note_life(download.id);
        if (download.total_size && *download.total_size > 0) {
            active->report(static_cast<double>(received) / static_cast<double>(*download.total_size));
        }
        if (now - last_saved < 1s) continue;
        last_saved = now;
        co_await deps_.store.save_progress(download.id, active->phase, static_cast<std::int64_t>(received),
                                           download.download_speed, download.eta_seconds, download.transfer_ms);
    }
}

Task<> DownloadService::scan(std::shared_ptr<Active> active) {
    std::vector<clamav::Clamd::File> files;
    for (const auto& transfer : active->transfers)
        files.push_back({transfer->part(), transfer->received()});
    const auto found = co_await deps_.scanner->scan(std::move(files));
    if (!found) co_return;
    const FileTransfer& transfer = *active->transfers[found->file];
    log::warning("the virus scanner has found something",
                 {{"download", active->download.id.str()}, {"file", transfer.file().path}, {"found", found->name}});
    co_await deps_.files.run([&transfer] { PartFile::remove(transfer.part()); });
    fail(ErrorCode::unsafe_file, "the virus scanner found {} in \"{}\"; the file was deleted",
         "病毒扫描器在“{1}”中发现 {0}；该文件已删除", found->name, transfer.file().path);
}

// Every part is whole and right: into the blob store, links, rows. May be repeated after a crash at any point.
Task<> DownloadService::publish(std::shared_ptr<Active> active) {
    const Download& download = active->download;
    models::ModelFacts facts;
    std::vector<models::ModelFile> files;
    co_await deps_.files.run([&] {
        for (const auto& transfer : active->transfers) {
            const models::ModelFacts seen = models::read_model_facts(transfer->part(), transfer->file().path);
            if (!facts.format) facts = seen;
        }
        std::vector<storage::BlobStore::Part> parts;
        for (const auto& transfer : active->transfers) {
            const Sha256 digest = transfer->digest().value();
            parts.push_back({transfer->part(), digest, transfer->received(),
                             models::link_path(download.plan.pinned, transfer->file().path),
                             transfer->is_from_store()});
            files.push_back({.model_id = download.model_id,
                             .path = transfer->file().path,
                             .size = static_cast<std::int64_t>(transfer->received()),
                             .sha256 = digest,
                             .verified_at = now()});
        }
        deps_.blobs.publish_all(parts);
    });
    if (!facts.license) facts.license = download.plan.license;
    if (!facts.quantization && !download.plan.pinned.variant.starts_with("files-"))
        facts.quantization = download.plan.pinned.variant;
    const auto path =
        std::filesystem::path("models") / models::link_path(download.plan.pinned, files.front().path).str();
    co_await deps_.store.complete(download, files, facts, path.string(), download.transfer_ms);
    co_await drop_parts(download.id);
    log::info("download complete", {{"download", download.id.str()}, {"ref", download.ref}});
}

}  // namespace llmm::downloads
