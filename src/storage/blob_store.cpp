#include "storage/blob_store.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1024 * 1024;
constexpr ::mode_t kBlobMode = 0444;

// Nothing for a missing file, a link or a directory.
std::optional<std::uint64_t> size_of_regular_file(const fs::path& path) {
    struct ::stat info{};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace

BlobStore::BlobStore(fs::path root)
    : root_(std::move(root)), blobs_(root_ / "blobs" / "sha256"), models_(root_ / "models") {
    make_directories(blobs_, 0700);
    sync_directory(root_);
    sync_directory(root_ / "blobs");
    root_fd_ = open_file(root_, O_RDONLY | O_DIRECTORY);
}

fs::path BlobStore::shard_of(const Sha256& digest) const {
    return blobs_ / digest.hex().substr(0, 2);
}
fs::path BlobStore::path_of(const Sha256& digest) const {
    return shard_of(digest) / digest.hex();
}

bool BlobStore::exists(const Sha256& digest) const {
    return size_of_regular_file(path_of(digest)).has_value();
}

bool BlobStore::exists(const Sha256& digest, std::uint64_t size) const {
    return size_of_regular_file(path_of(digest)) == size;
}

void BlobStore::publish(const fs::path& part, const Sha256& digest, std::uint64_t size) const {
    take_over(part, digest, size, Existing::replace, Durable::now);
}

// Other writers of this file system pay for it, too, but it is over sooner than a wait for each file.
void BlobStore::sync_all() const {
    if (::syncfs(root_fd_.get()) != 0) throw_errno("syncfs", errno);
}

void BlobStore::publish_all(std::span<const Part> parts) const {
    constexpr std::size_t kFew = 4;
    const auto existing = [](const Part& part) { return part.is_stored ? Existing::keep : Existing::replace; };
    if (parts.size() <= kFew) {
        for (const Part& part : parts) {
            take_over(part.path, part.digest, part.size, existing(part), Durable::now);
            link(part.link, part.digest);
        }
        return;
    }
    sync_all();
    for (const Part& part : parts) {
        take_over(part.path, part.digest, part.size, existing(part), Durable::later);
        models_.make_parents(part.link);
        models_.link_to(part.link, path_of(part.digest), GuardedDirectory::Durable::later);
    }
    sync_all();
}

void BlobStore::take_over(const fs::path& part, const Sha256& digest, std::uint64_t size, Existing existing,
                          Durable durable) const {
    const fs::path target = path_of(digest);
    const UniqueFd fd = open_file(part, O_RDONLY | O_NOFOLLOW);
    struct ::stat info{};
    if (::fstat(fd.get(), &info) != 0) throw_errno("fstat " + part.string(), errno);
    if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != size) {
        throw Error(ErrorCode::digest_mismatch, {"the file does not have the expected size", "文件大小与预期不符"})
            .with_log_note(fmt::format("{}: {} bytes instead of {}", part.string(), info.st_size, size));
    }
    make_directories(shard_of(digest), 0700);
    if (::fchmod(fd.get(), kBlobMode) != 0) throw_errno("fchmod " + part.string(), errno);
    if (durable == Durable::now) {
        sync_directory(blobs_);
        sync_file(fd.get());  // the content before the name: never a name without its bytes
    }
    if (existing == Existing::keep && size_of_regular_file(target) == size) {
        // Its change time says to garbage collection that it is wanted again, until a row does.
        if (::chmod(target.c_str(), kBlobMode) != 0) throw_errno("chmod " + target.string(), errno);
    } else if (::rename(part.c_str(), target.c_str()) != 0) {
        throw_errno("rename to " + target.string(), errno);
    }
    // Still there when it was not needed, or was another name of the same file: rename() leaves both.
    if (::unlink(part.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + part.string(), errno);
    if (durable == Durable::now) sync_directory(shard_of(digest));
}

bool BlobStore::verify(const Sha256& digest, const Progress& progress, const std::atomic<bool>& cancelled) const {
    if (!exists(digest)) return false;
    const UniqueFd fd = open_file(path_of(digest), O_RDONLY | O_NOFOLLOW);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    Sha256Stream stream;
    std::vector<std::byte> buffer(kReadBytes);
    std::uint64_t offset = 0;
    for (;;) {
        if (cancelled) fail(ErrorCode::cancelled, "the verification was cancelled", "校验已取消");
        const std::size_t count = read_at(fd.get(), buffer, offset);
        if (count == 0) break;
        stream.update(std::span(buffer).first(count));
        offset += count;
        if (progress) progress(offset);
    }
    return stream.finish() == digest;
}

bool BlobStore::remove(const Sha256& digest) const {
    const fs::path path = path_of(digest);
    if (::unlink(path.c_str()) != 0) {
        if (errno == ENOENT) return false;
        throw_errno("unlink " + path.string(), errno);
    }
    sync_directory(shard_of(digest));
    return true;
}

std::vector<BlobStore::Blob> BlobStore::list() const {
    std::vector<Blob> blobs;
    for (const fs::directory_entry& shard : fs::directory_iterator(blobs_)) {
        if (!shard.is_directory() || shard.is_symlink()) continue;
        for (const fs::directory_entry& file : fs::directory_iterator(shard)) {
            const std::string name = file.path().filename();
            const auto digest = Sha256::parse(name);
            // Also the place must be right: what path_of() does not find is no blob.
            if (!digest || file.path() != path_of(*digest)) continue;
            // Nothing: no file, or one that another thread has just removed.
            struct ::stat info{};
            if (::lstat(file.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
            blobs.push_back(
                {*digest, static_cast<std::uint64_t>(info.st_size), from_epoch_ms(info.st_ctim.tv_sec * 1000)});
        }
    }
    return blobs;
}

void BlobStore::link(const SafePath& model_path, const Sha256& digest) const {
    models_.make_parents(model_path);
    models_.link_to(model_path, path_of(digest));
}

void BlobStore::unlink(const SafePath& model_path) const {
    models_.remove(model_path);
}

std::vector<SafePath> BlobStore::dangling_links() const {
    std::vector<SafePath> links;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(models_.root())) {
        std::error_code ignored;
        if (!entry.is_symlink() || fs::exists(entry.path(), ignored)) continue;
        if (const auto path = SafePath::parse(entry.path().lexically_relative(models_.root()).string()))
            links.push_back(*path);
    }
    return links;
}

fs::path BlobStore::model_path(const SafePath& model_path) const {
    return models_.root() / model_path.str();
}

}  // namespace llmm::storage
