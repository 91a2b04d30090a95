#include "base/fs/file.hpp"

#include "base/error/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm {
namespace {

std::filesystem::path directory_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Takes the temporary file away again unless it was renamed.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::filesystem::path& final_path)
        : path_(directory_of(final_path) /
                fmt::format(".{}.{:08x}.tmp", final_path.filename().string(), std::random_device()())),
          fd_(open_file(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)) {}
    ~TemporaryFile() {
        if (!renamed_) ::unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    int fd() const { return fd_.get(); }
    void rename_to(const std::filesystem::path& path) {
        if (::rename(path_.c_str(), path.c_str()) != 0) throw_errno("rename to " + path.string(), errno);
        renamed_ = true;
    }

  private:
    std::filesystem::path path_;
    UniqueFd fd_;
    bool renamed_ = false;
};

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

UniqueFd::~UniqueFd() {
    reset();
}

void UniqueFd::reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void throw_errno(std::string_view what, int error) {
    const std::string note = fmt::format("{}: {}", what, std::generic_category().message(error));
    if (error == ENOSPC || error == EDQUOT) {
        throw Error(ErrorCode::disk_full, {"The disk is full", "磁盘空间不足"}).with_log_note(note);
    }
    throw Error(ErrorCode::internal, {"A file operation failed", "文件操作失败"}).with_log_note(note);
}

UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
    int fd;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) throw_errno("open " + path.string(), errno);
    return UniqueFd(fd);
}

void write_all(int fd, std::span<const std::byte> data, std::uint64_t offset) {
    while (!data.empty()) {
        const ssize_t written = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) continue;
            throw_errno("write", errno);
        }
        data = data.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
}

std::size_t read_at(int fd, std::span<std::byte> buffer, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const ssize_t count =
            ::pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
        if (count < 0) {
            if (errno == EINTR) continue;
            throw_errno("read", errno);
        }
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    std::string text;
    char buffer[16 * 1024];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0) {
            if (errno == EINTR) continue;
            throw_errno("read " + path.string(), errno);
        }
        if (count == 0) return text;
        if (text.size() + static_cast<std::size_t>(count) > max_bytes) throw_errno("read " + path.string(), EFBIG);
        text.append(buffer, static_cast<std::size_t>(count));
    }
}

void sync_file(int fd) {
    if (::fsync(fd) != 0) throw_errno("fsync", errno);
}

void sync_directory(const std::filesystem::path& directory) {
    sync_file(open_file(directory, O_RDONLY | O_DIRECTORY).get());
}

void write_file_durably(const std::filesystem::path& path, std::string_view content, unsigned mode) {
    TemporaryFile file(path);
    // Not by open(): the umask must not decide what the caller asked for.
    if (::fchmod(file.fd(), mode) != 0) throw_errno("fchmod " + path.string(), errno);
    write_all(file.fd(), std::as_bytes(std::span(content)), 0);
    sync_file(file.fd());
    file.rename_to(path);
    sync_directory(directory_of(path));
}

void make_directories(const std::filesystem::path& path, unsigned mode) {
    if (path.empty() || ::mkdir(path.c_str(), mode) == 0) return;
    if (errno == ENOENT && path.has_relative_path()) {
        make_directories(path.parent_path(), mode);
        if (::mkdir(path.c_str(), mode) == 0) return;
    }
    const int error = errno;
    std::error_code ignored;
    if (error == EEXIST && std::filesystem::is_directory(path, ignored)) return;
    throw_errno("mkdir " + path.string(), error);
}

DiskSpace disk_space(const std::filesystem::path& path) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) throw_errno("statvfs " + path.string(), errno);
    return {.total_bytes = std::uint64_t{info.f_blocks} * info.f_frsize,
            .free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize};
}

}  // namespace llmm
