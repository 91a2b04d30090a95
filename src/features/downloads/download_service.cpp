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
    std::size_t next = 0;        // the first transfer that no worker has taken
    std::exception_ptr failure;  // the first of any worker
    Phase phase = Phase::resolving;
    double speed = 0;  // bytes/s, smoothed
    std::function<void(double)> report;

    std::uint64_t received() const {
        std::uint64_t total = 0;
        for (const auto& transfer : transfers)
            total += transfer->received();
        return total;
    }
};

DownloadService::DownloadService(Deps deps, Settings settings)
    : deps_(deps), settings_(std::move(settings)), ended_(deps.executor) {
    deps_.queue.add_kind("download", settings_.parallel, [this](const tasks::TaskRun& task) { return run(task); });
}

std::filesystem::path DownloadService::directory(const DownloadId& id) const {
    return settings_.home / "downloads" / id.str();
}

Task<> DownloadService::recover() {
    const int changed = co_await deps_.store.recover();
    if (changed > 0) log::info("downloads go on after a restart", {{"downloads", changed}});
}

void DownloadService::require_space(std::uint64_t bytes) const {
    const DiskSpace space = disk_space(settings_.home);
    if (space.free_bytes >= bytes + settings_.keep_free) return;
    throw Error(ErrorCode::disk_full,
                Text::format("the download needs {:.2f} GB and the disk has {:.2f} GB free; make room and try again",
                             "下载需要 {:.2f} GB，磁盘剩余 {:.2f} GB；请腾出空间后重试",
                             static_cast<double>(bytes) / 1e9, static_cast<double>(space.free_bytes) / 1e9),
                {{"needed_bytes", static_cast<std::int64_t>(bytes)},
                 {"free_bytes", static_cast<std::int64_t>(space.free_bytes)},
                 {"keep_free_bytes", static_cast<std::int64_t>(settings_.keep_free)}});
}

Task<Started> DownloadService::start(DownloadRequest request) {
    const models::RemoteModel remote = co_await deps_.hubs.resolve(models::parse_model_ref(request.ref));
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
    // Also asked when the model is here already: cheap, and the answer then doesn't matter.
    std::exception_ptr no_space;
    try {
        co_await deps_.files.run([&] { require_space(wish.plan.total_size().value_or(0)); });
    } catch (const Error&) {
        no_space = std::current_exception();
    }
    if (no_space) {
        const auto known = co_await deps_.store.find_known(wish.plan.pinned.str());
        if (!known) std::rethrow_exception(no_space);
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
    download.phase = active.phase;
    if (active.transfers.empty()) return download;
    download.download_size = static_cast<std::int64_t>(active.received());
    download.files.clear();
    for (const auto& transfer : active.transfers) {
        download.files.push_back({transfer->received(), transfer->status(), transfer->digest()});
    }
    if (active.phase == Phase::transferring && active.speed > 0) {
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
    co_return with_live(co_await deps_.store.update(id, changes.priority, changes.speed_limit));
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
    active_.erase(id);
    ended_.notify();
    if (on_change) {
        if (const auto now = co_await deps_.store.find(id)) on_change(*now);
    }
    if (failure) std::rethrow_exception(failure);
}

Task<> DownloadService::transfer(std::shared_ptr<Active> active) {
    const Download& download = active->download;
    co_await deps_.files.run([&] {
        make_directories(directory(download.id));
        require_space(static_cast<std::uint64_t>(
            std::max<std::int64_t>(0, download.total_size.value_or(0) - download.download_size)));
    });
    hubs::Hub& hub = deps_.hubs.hub(download.plan.pinned.source);
    const auto limit = static_cast<std::uint64_t>(download.speed_limit.value_or(0));
    for (std::size_t i = 0; i < download.plan.files.size(); ++i) {
        active->transfers.push_back(std::make_unique<FileTransfer>(
            FileTransfer::Deps{deps_.http, deps_.files, hub}, download.plan.pinned, download.plan.files[i],
            directory(download.id) / (std::to_string(i) + ".part"), limit));
    }
    active->phase = Phase::transferring;
    co_await race(transfer_files(active), report_progress(active));
    active->phase = Phase::publishing;
    co_await publish(active);
}

Task<> DownloadService::transfer_files(std::shared_ptr<Active> active) {
    TaskGroup workers(deps_.executor);
    const auto count =
        std::min<std::size_t>(active->transfers.size(), static_cast<std::size_t>(settings_.files_at_once));
    for (std::size_t i = 0; i < count; ++i)
        workers.spawn("file transfer", worker(active));
    std::exception_ptr cancelled;
    try {
        co_await workers.wait();
    } catch (...) {
        cancelled = std::current_exception();
    }
    if (cancelled) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await workers.stop();
        std::rethrow_exception(cancelled);
    }
    if (active->failure) std::rethrow_exception(active->failure);
}

Task<> DownloadService::worker(std::shared_ptr<Active> active) {
    while (active->next < active->transfers.size() && !active->failure) {
        FileTransfer& transfer = *active->transfers[active->next++];
        try {
            co_await transfer.run();
        } catch (const boost::system::system_error&) {
            throw;
        } catch (...) {
            if (!active->failure) active->failure = std::current_exception();
        }
    }
}

Task<> DownloadService::report_progress(std::shared_ptr<Active> active) {
    std::uint64_t last = active->received();
    auto last_time = Clock::now(), last_saved = last_time;
    for (;;) {
        co_await sleep_for(250ms);  // four times a second: the contract allows five updates
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
        if (download.total_size && *download.total_size > 0) {
            active->report(static_cast<double>(received) / static_cast<double>(*download.total_size));
        }
        if (now - last_saved < 1s) continue;
        last_saved = now;
        co_await deps_.store.save_progress(download.id, active->phase, static_cast<std::int64_t>(received),
                                           download.download_speed, download.eta_seconds);
    }
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
        for (const auto& transfer : active->transfers) {
            const Sha256 digest = transfer->digest().value();
            deps_.blobs.publish(transfer->part(), digest, transfer->received());
            deps_.blobs.link(models::link_path(download.plan.pinned, transfer->file().path), digest);
            files.push_back({.model_id = download.model_id,
                             .path = transfer->file().path,
                             .size = static_cast<std::int64_t>(transfer->received()),
                             .sha256 = digest,
                             .verified_at = now()});
        }
    });
    if (!facts.license) facts.license = download.plan.license;
    if (!facts.quantization && !download.plan.pinned.variant.starts_with("files-"))
        facts.quantization = download.plan.pinned.variant;
    const auto path =
        std::filesystem::path("models") / models::link_path(download.plan.pinned, files.front().path).str();
    co_await deps_.store.complete(download, files, facts, path.string());
    co_await drop_parts(download.id);
    log::info("download complete", {{"download", download.id.str()}, {"ref", download.ref}});
}

}  // namespace llmm::downloads
