#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/error/error.hpp"
#include "features/downloads/block_pool.hpp"
#include "features/downloads/download.hpp"
#include "features/downloads/part_file.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace llmm::downloads {

// Takes one file's blocks from the network thread and brings them to its part file on a pool, in the order in which
// they come: data, checksums, journal, SHA-256. What goes wrong there ends the transfer: see failure().
class FileWriter {
  public:
    FileWriter(BlockingPool& pool, BlockPool& blocks, const PlannedFile& file, std::filesystem::path part);

    // Opens the part and checks what an earlier process left: the bytes that are here.
    Task<ByteRanges> open();
    // From any thread, between open() and close().
    void put(Block block);
    bool has_failed() const { return failed_.load(std::memory_order_acquire); }
    std::exception_ptr failure() const;

    // All of these resume when everything that was put is on the disk.
    Task<ByteRanges> have();
    Task<Sha256> finish(std::uint64_t size);  // also checks that the file begins as its name says
    Task<std::size_t> recheck();
    Task<> restart();
    Task<bool> matches_git_sha1(std::string expected, std::uint64_t size);
    // Writes down what is there; open() may follow.
    Task<> close();

    std::uint64_t hashed() const { return hashed_.load(std::memory_order_relaxed); }
    // Bytes that came again and were others, since open().
    std::uint64_t corrected() const { return corrected_.load(std::memory_order_relaxed); }
    const std::filesystem::path& path() const { return path_; }

  private:
    void write(Block block);
    void hash_on();
    void check_beginning();
    void check_first_bytes(std::uint64_t there) const;
    void make_durable_now_and_then();
    void fail_with(std::exception_ptr error);

    BlockPool& blocks_;
    const PlannedFile& file_;
    std::filesystem::path path_;
    BlockingQueue queue_, sync_queue_;
    // Only touched by jobs of queue_.
    std::unique_ptr<PartFile> part_;
    bool beginning_checked_ = false;
    bool hashing_on_ = false;

    std::atomic<bool> syncing_ = false;
    std::atomic<bool> failed_ = false;
    std::atomic<std::uint64_t> hashed_ = 0, corrected_ = 0;
    mutable std::mutex mutex_;
    std::exception_ptr failure_;
};

}  // namespace llmm::downloads
