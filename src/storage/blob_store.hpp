#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/safe_path.hpp"
#include "base/time/time.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
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

    // Takes a finished file over: durable and read-only under its final name when this returns, gone from its
    // old place. The caller has computed the digest; the size is checked (DIGEST_MISMATCH). The file is on
    // the file system of the store. When the blob is there already, that one stays and the new file is
    // dropped; one of a wrong size is replaced.
    void publish(const std::filesystem::path& part, const Sha256& digest, std::uint64_t size) const;

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
    std::filesystem::path shard_of(const Sha256& digest) const;

    std::filesystem::path root_;
    std::filesystem::path blobs_;
    GuardedDirectory models_;
};

}  // namespace llmm::storage
