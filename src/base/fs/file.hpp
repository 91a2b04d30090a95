#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace llmm {

// A file descriptor that closes itself.
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept;
    ~UniqueFd();

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset();

  private:
    int fd_ = -1;
};

// All of these throw Error: DISK_FULL for ENOSPC and EDQUOT, INTERNAL with the errno in the log note for the rest.
// They block: call them on a pool.
[[noreturn]] void throw_errno(std::string_view what, int error);
UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);  // O_CLOEXEC is added
void write_all(int fd, std::span<const std::byte> data, std::uint64_t offset);           // pwrite until done
std::size_t read_at(int fd, std::span<std::byte> buffer, std::uint64_t offset);          // less only at the end of file
// EFBIG when the file has more bytes than that.
std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes);
void sync_file(int fd);
void sync_directory(const std::filesystem::path& directory);
// Temporary file beside it, fsync, rename, fsync of the directory: a reader sees the old or the new content, also
// after a power cut.
void write_file_durably(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);
// As mkdir -p; the mode is that of each directory made.
void make_directories(const std::filesystem::path& path, unsigned mode = 0700);

struct DiskSpace {
    std::uint64_t total_bytes;
    std::uint64_t free_bytes;  // for an unprivileged user
};
DiskSpace disk_space(const std::filesystem::path& path);

}  // namespace llmm
