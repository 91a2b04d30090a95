#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "base/fs/safe_path.hpp"
#include "base/time/time.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::storage {

// The files of all models, each once, named by its content:
//
//     <root>/blobs/sha256/ab/abcd…                          read-only, complete, durable
//     <root>/models/<source>/<repo>/<revision>/<file>       relative links to blobs, with names for people
//
// Which blobs are still wanted is the database's business. Everything blocks (call it on a pool) and throws
// Error; different threads and processes may work on the same store.
class BlobStore {
  public:
    struct Blob {
        Sha256 digest;
        std::uint64_t size;
        TimePoint changed_at;  // when it was published, the last time
    };
    // Gets the number of bytes read so far.
    using Progress = std::function<void(std::uint64_t)>;

    explicit BlobStore(std::filesystem::path root);  // made when missing

    std::filesystem::path path_of(const Sha256& digest) const;
    bool exists(const Sha256& digest) const;
    // With that size; what it contains, only verify() says.
    bool exists(const Sha256& digest, std::uint64_t size) const;

    // Takes a finished file over: durable and read-only under its final name when this returns, gone from its
    // old place. The caller has computed the digest; the size is checked (DIGEST_MISMATCH). The file is on
    // the file system of the store. It takes the place of a blob that is there already, for nobody knows what has
    // become of that one's bytes; who has the old file open or linked elsewhere keeps it.
    void publish(const std::filesystem::path& part, const Sha256& digest, std::uint64_t size) const;

    struct Part {
        std::filesystem::path path;
        Sha256 digest;
        std::uint64_t size = 0;
        SafePath link;  // at models/
        bool is_stored =
            false;  // the caller has just read the blob itself and found it right: if it is there, it stays
    };
    // publish() and link() of each. Of many files the disk is waited for twice in all and not four times for each: all
    // bytes are durable before the first name, and all names when this returns.
    void publish_all(std::span<const Part> parts) const;

    // Reads the whole blob: does it still have the content that its name says? False also when it is missing;
    // an error of the disk is thrown, for it says nothing about the content. Throws CANCELLED soon after the
    // flag was set.
    bool verify(const Sha256& digest, const Progress& progress, const std::atomic<bool>& cancelled) const;

    // Returns false when there was none.
    bool remove(const Sha256& digest) const;

    // Every blob; files of other names are left out. For garbage collection.
    std::vector<Blob> list() const;

    // Puts a link at models/<model_path> to the blob, replacing an older link. Hostile paths are no SafePath,
    // and links placed on the way are refused (UNSAFE_FILE).
    void link(const SafePath& model_path, const Sha256& digest) const;
    // A missing link is fine; directories that became empty go too.
    void unlink(const SafePath& model_path) const;
    std::filesystem::path model_path(const SafePath& model_path) const;
    // Every link below models/ whose blob is not there.
    std::vector<SafePath> dangling_links() const;

  private:
    enum class Durable { now, later };
    enum class Existing { replace, keep };
    void take_over(const std::filesystem::path& part, const Sha256& digest, std::uint64_t size, Existing existing,
                   Durable durable) const;
    void sync_all() const;
    std::filesystem::path shard_of(const Sha256& digest) const;

    std::filesystem::path root_;
    std::filesystem::path blobs_;
    GuardedDirectory models_;
    // Open from the beginning on: an error of the disk since then that nobody has heard of comes out of sync_all().
    UniqueFd root_fd_;
};

}  // namespace llmm::storage
