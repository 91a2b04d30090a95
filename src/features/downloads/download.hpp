#pragma once
#include "base/crypto/digest.hpp"
#include "base/ids/id.hpp"
#include "base/time/time.hpp"
#include "features/models/model_ref.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::downloads {

enum class Status { pending, downloading, paused, completed, failed, cancelled };
// The waiting ones are those of a running transfer; the row says "transferring" then.
enum class Phase { resolving, transferring, verifying, publishing, waiting_for_space, waiting_for_source };
enum class FileStatus { pending, downloading, verified, failed };

std::string_view name_of(Status status);
std::string_view name_of(Phase phase);
std::string_view name_of(FileStatus status);
std::optional<Status> parse_status(std::string_view text);
std::optional<Phase> parse_phase(std::string_view text);

// A file to fetch. The path is a SafePath.
struct PlannedFile {
    std::string path;
    std::optional<std::uint64_t> size;
    std::optional<Sha256> sha256;
    std::optional<std::string> git_sha1;
};

// What a download fetches, fixed when it is asked for: a pinned commit never changes.
struct Plan {
    models::ModelRef pinned;
    std::optional<std::string> license;
    bool is_public = false;                // neither gated nor private: other sources may be asked for the same files
    std::optional<bool> stock_compatible;  // whether stock llama.cpp can load it, where the source says so
    std::vector<PlannedFile> files;

    std::optional<std::uint64_t> total_size() const;  // nullopt when a size is unknown
};

struct FileProgress {
    std::uint64_t received = 0;
    FileStatus status = FileStatus::pending;
    std::optional<Sha256> sha256 = {};
    std::uint64_t verified = 0;  // bytes that are on the disk and hashed, from the beginning on
    int connections = 0;
    std::optional<std::int64_t> speed = {}, eta_seconds = {};
};

struct Download {
    DownloadId id;
    ModelId model_id;
    std::optional<TaskId> task_id;
    std::string ref;
    Status status = Status::pending;
    std::optional<Phase> phase;
    Plan plan;
    std::int64_t download_size = 0;  // bytes received
    std::optional<std::int64_t> total_size, download_speed, eta_seconds;
    std::optional<std::string> file_path, error_code, error_message;
    int priority = 0;
    std::optional<std::int64_t> speed_limit;
    int attempt = 0;
    int connections = 0;
    std::string source;               // where the bytes come from now, when that is not the model's own source
    std::int64_t transfer_ms = 0;     // spent in all runs of the transfer
    std::vector<FileProgress> files;  // as long as plan.files; from the running transfer, or what the status implies
    TimePoint created_at{}, updated_at{};
};

}  // namespace llmm::downloads
