#pragma once
#include "base/async/task.hpp"
#include "features/downloads/download.hpp"
#include "features/models/model.hpp"
#include "storage/database.hpp"
#include "storage/page.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace llmm::downloads {

struct DownloadQuery {
    std::optional<Status> status;
    std::string sort = "-created_at";
    int limit = 50;
    std::string cursor;
};

struct NewDownload {
    Plan plan;
    std::string name;
    std::vector<std::string> tags;
    std::string source_metadata = "{}";  // what the hub says beside the files, for the catalogue
    int priority = 0;
    std::optional<std::int64_t> speed_limit;
};

// What start() found or made.
struct Started {
    std::optional<models::Model> ready;  // the model is here already: nothing to do
    std::optional<Download> download;
    bool is_new = false;
};

// Model, download and task rows change together in one transaction.
class DownloadStore {
  public:
    explicit DownloadStore(storage::Database& database) : database_(database) {}

    Task<Started> start(NewDownload request);
    // As start(), but makes nothing: nullopt when there is neither a ready model nor a live download.
    Task<std::optional<Started>> find_known(std::string ref);
    Task<storage::Page<Download>> list(DownloadQuery query);
    Task<std::optional<Download>> find(DownloadId id);
    Task<std::optional<Download>> newest_of(ModelId id);

    // Each answers the row as it is afterwards and whether this call changed it. STATE_CONFLICT from a state that has
    // no way there; DOWNLOAD_NOT_FOUND.
    Task<std::pair<Download, bool>> pause(DownloadId id);
    Task<std::pair<Download, bool>> cancel(DownloadId id);
    Task<std::pair<Download, bool>> resume(DownloadId id);  // paused → pending
    Task<std::pair<Download, bool>> retry(DownloadId id);   // failed or cancelled → pending
    Task<Download> update(DownloadId id, std::optional<int> priority,
                          std::optional<std::optional<std::int64_t>> speed_limit);
    Task<> remove(DownloadId id);

    // When a task begins: how long this download rests first. Longer with each time that the program has died during it
    // before any bytes came. Dying while it rests is not held against it.
    Task<std::chrono::milliseconds> rest_after_deaths(DownloadId id);
    // For the running transfer. False when the row is no longer pending or downloading: somebody paused or cancelled
    // it.
    Task<bool> begin_attempt(DownloadId id);
    // Bytes have come, or an attempt has ended in order: earlier deaths of the program are forgiven.
    Task<> note_life(DownloadId id);
    Task<> save_progress(DownloadId id, Phase phase, std::int64_t received, std::optional<std::int64_t> speed,
                         std::optional<std::int64_t> eta, std::int64_t transfer_ms);
    Task<> complete(Download download, std::vector<models::ModelFile> files, models::ModelFacts facts,
                    std::string file_path, std::int64_t transfer_ms);
    // failed, or pending when it will be tried again.
    Task<> fail_attempt(DownloadId id, bool final, std::string error_code, std::string error_message,
                        std::int64_t received);
    // After a restart: no row says "downloading" before its task runs again; a row whose task has ended says so.
    Task<int> recover();

  private:
    storage::Database& database_;
};

}  // namespace llmm::downloads
