#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/net/http_client.hpp"
#include "features/downloads/download.hpp"
#include "integrations/hub.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

namespace llmm::downloads {

// Fetches one file into a part file: in order, hashing as it goes, going on where an earlier run of this program
// stopped.
//
// The journal beside the part says how many bytes are certainly on the disk. Within one boot of the machine the part's
// own length says it better, since a killed process loses nothing of what it has written.
class FileTransfer {
  public:
    struct Deps {
        HttpClient& http;
        BlockingPool& files;
        hubs::Hub& hub;
    };
    FileTransfer(Deps deps, models::ModelRef pinned, PlannedFile file, std::filesystem::path part,
                 std::uint64_t max_bytes_per_second);
    ~FileTransfer();

    // Ends when the file is whole and its digest right. HUB_… errors, DIGEST_MISMATCH, UNSAFE_FILE, UNSUPPORTED_FORMAT,
    // DISK_FULL. Cancelled, it leaves the part for the next run.
    Task<Sha256> run();

    const PlannedFile& file() const { return file_; }
    const std::filesystem::path& part() const { return part_; }
    std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
    FileStatus status() const { return status_; }
    std::optional<Sha256> digest() const { return digest_; }

  private:
    class Sink;

    Task<> fetch_all();
    Task<> fetch_once();
    Task<> fetch_remote(const hubs::RemoteSource& source);
    Task<> copy_local(std::filesystem::path source);
    Task<Sha256> check_digest();
    Task<bool> matches_git_sha1();

    Deps deps_;
    models::ModelRef pinned_;
    PlannedFile file_;
    std::filesystem::path part_;
    std::uint64_t max_bytes_per_second_;
    std::atomic<std::uint64_t> received_ = 0;
    FileStatus status_ = FileStatus::pending;
    std::optional<Sha256> digest_;
    std::unique_ptr<Sink> sink_;
};

}  // namespace llmm::downloads
