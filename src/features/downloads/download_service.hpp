#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/net/http_client.hpp"
#include "features/downloads/download_json.hpp"
#include "features/downloads/download_store.hpp"
#include "features/downloads/file_transfer.hpp"
#include "features/downloads/speed_schedule.hpp"
#include "features/models/hub_service.hpp"
#include "features/tasks/task_queue.hpp"
#include "integrations/clamav/clamd.hpp"
#include "storage/blob_store.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace llmm::downloads {

// Rules of downloads; owns the transfers that run. Used from the event loop.
class DownloadService {
  public:
    struct Settings {
        std::filesystem::path home;
        int parallel = 2;               // downloads at the same time
        int connections = 16;           // to one source, of all downloads together
        std::uint64_t speed_limit = 0;  // bytes/s of all downloads together; 0: none
        SpeedSchedule schedule;         // other limits at times of the week
        std::uint64_t keep_free = 0;    // bytes of disk space that a download leaves
    };
    struct Deps {
        asio::any_io_executor executor;
        DownloadStore& store;
        models::HubService& hubs;
        tasks::TaskQueue& queue;
        storage::BlobStore& blobs;
        HttpClient& http;
        BlockingPool& files;
        clamav::Clamd* scanner = nullptr;  // nullptr: nothing is scanned
    };
    // Registers the kind "download" with the queue.
    DownloadService(Deps deps, Settings settings);

    // Called after every change and at most four times a second while bytes arrive.
    std::function<void(const Download&)> on_change;

    OverallLimit overall_limit() const;

    // Makes the rows true after a restart. Before the queue starts.
    Task<> recover();

    // Asks the hub first: HUB_… errors, those of make_plan(), DISK_FULL.
    Task<Started> start(DownloadRequest request);
    Task<storage::Page<Download>> list(DownloadQuery query);
    Task<Download> get(DownloadId id);  // DOWNLOAD_NOT_FOUND, as all below
    // As get(), but also the newest download of a model: what start() answers for a complete one has that model's id.
    Task<Download> show(DownloadId id);
    // The bool: whether anything had to change.
    Task<std::pair<Download, bool>> pause(DownloadId id);
    Task<std::pair<Download, bool>> resume(DownloadId id);
    Task<std::pair<Download, bool>> cancel(DownloadId id);
    Task<std::pair<Download, bool>> retry(DownloadId id);
    Task<Download> update(DownloadId id, DownloadChanges changes);
    Task<> remove(DownloadId id);

  private:
    struct Active;

    Task<> run(const tasks::TaskRun& task);
    Task<> transfer(std::shared_ptr<Active> active);
    Task<> transfer_files(std::shared_ptr<Active> active);
    Task<> report_progress(std::shared_ptr<Active> active);
    void follow_schedule();
    Task<> scan(std::shared_ptr<Active> active);
    Task<> publish(std::shared_ptr<Active> active);
    Task<std::pair<Download, bool>> rest(std::pair<Download, bool> outcome, bool drop_parts);
    Task<> wait_until_idle(DownloadId id);
    Task<> drop_parts(DownloadId id);
    Task<> drop_leftovers();
    // Takes the disk space of all files before their first byte; DISK_FULL, and then nothing more is taken than before.
    void reserve_space(const Download& download) const;
    Task<> wait_for_space(std::shared_ptr<Active> active);
    std::uint64_t space_needed(const Download& download) const;  // beyond what its parts hold already
    std::filesystem::path part_of(const Download& download, std::size_t file) const;
    Task<> transfer_one(std::shared_ptr<Active> active, std::size_t file);
    Download with_live(Download download) const;
    std::filesystem::path directory(const DownloadId& id) const;

    Deps deps_;
    Settings settings_;
    BlockPool blocks_;
    SpeedLimit speed_limit_;
    TransferScheduler scheduler_;
    std::map<DownloadId, std::shared_ptr<Active>> active_;
    Signal ended_;
};

}  // namespace llmm::downloads
