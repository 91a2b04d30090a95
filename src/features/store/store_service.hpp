#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/fs/local_roots.hpp"
#include "features/models/hub_service.hpp"
#include "features/models/model_service.hpp"
#include "features/store/store.hpp"
#include "features/store/store_store.hpp"
#include "features/tasks/task_queue.hpp"
#include "integrations/clamav/clamd.hpp"
#include "storage/blob_store.hpp"
#include "storage/intake.hpp"

#include <atomic>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace llmm::store {

// Rules of the store. Used from the event loop.
class StoreService {
  public:
    struct Deps {
        StoreStore& store;
        models::ModelService& models;
        models::HubService& hubs;
        tasks::TaskQueue& queue;
        storage::BlobStore& blobs;
        const LocalRoots& roots;
        BlockingPool& files;
        clamav::Clamd* scanner = nullptr;  // nullptr: nothing is scanned
    };
    // Registers the kinds "import" and "verify_store" with the queue.
    StoreService(Deps deps, std::filesystem::path home);

    // Looks at the path before anything is queued: URL_FORBIDDEN, HUB_FILE_NOT_FOUND, UNSAFE_FILE, and for a path
    // UNSUPPORTED_FORMAT.
    Task<std::pair<Import, tasks::QueuedTask>> start_import(ImportRequest request);
    Task<std::pair<Import, tasks::QueuedTask>> get_import(ImportId id);  // NOT_FOUND
    // Publishes one model, or every ready one. What the layout can't hold is skipped with its reason when all are asked
    // for.
    Task<LinkResult> link(Layout layout, std::string path, std::optional<ModelId> model);
    Task<Collection> collect(bool dry_run, std::chrono::seconds min_age);
    Task<tasks::QueuedTask> start_verification();
    Task<StoreFacts> facts() { return deps_.store.facts(); }
    // Ends hashing soon.
    void stop() { stopping_ = true; }

  private:
    struct Incoming;
    Task<> run_import(const tasks::TaskRun& task);
    Task<std::vector<ImportModel>> plan(ImportRequest request);
    Task<> import_model(ImportModel model, ImportRequest request, ImportResult& result);
    // The file in incoming(), hashed. Blocks, as publish().
    Incoming take(const ImportFile& file, bool may_copy) const;
    Task<> scan(const std::vector<Incoming>& files);
    void publish(const std::vector<Incoming>& files, ImportResult& result) const;
    Task<> run_verification(const tasks::TaskRun& task);
    std::filesystem::path incoming() const { return home_ / "downloads" / "incoming"; }

    Deps deps_;
    std::filesystem::path home_;
    std::atomic<bool> stopping_ = false;
};

}  // namespace llmm::store
