#include "base/fs/file.hpp"
#include "base/process/process.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace llmm {
namespace {

constexpr std::size_t kBlock = 64 * 1024;
// A tail never takes more memory than this, however long the lines are.
constexpr std::size_t kMaxTailBytes = 4 << 20;

std::filesystem::path rotated(const std::filesystem::path& path, int number) {
    return number == 0 ? path : std::filesystem::path(fmt::format("{}.{}", path.native(), number));
}

std::uint64_t size_of(int fd) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) throw_errno("fstat", errno);
    return static_cast<std::uint64_t>(info.st_size);
}

std::string read_block(int fd, std::uint64_t offset, std::size_t length) {
    std::string block(length, '\0');
    ssize_t count = 0;
    do {
        count = ::pread(fd, block.data(), block.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw_errno("read log", errno);
    block.resize(static_cast<std::size_t>(count));
    return block;
}

void write_block(int fd, std::string_view block) {
    while (!block.empty()) {
        const ssize_t count = ::write(fd, block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("write log", errno);
        block.remove_prefix(static_cast<std::size_t>(count));
    }
}

// Copies the bytes [offset, end) from the first whole line on.
void copy_lines(int from, std::uint64_t offset, std::uint64_t end, const std::filesystem::path& to) {
    UniqueFd copy(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!copy) throw_errno("open " + to.native(), errno);
    bool whole_line = offset == 0;
    while (offset < end) {
        std::string block =
            read_block(from, offset, static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, end - offset)));
        if (block.empty()) return;
        offset += block.size();
        if (!whole_line) {
            const auto newline = block.find('\n');
            if (newline == std::string::npos) continue;
            block.erase(0, newline + 1);
            whole_line = true;
        }
        write_block(copy.get(), block);
    }
}

// The end of a file with at least `lines` line breaks in it, unless the file or the limit is smaller.
std::string read_end(const std::filesystem::path& path, std::size_t lines, std::size_t max_bytes) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) return {};
    if (!fd) throw_errno("open " + path.native(), errno);
    std::string end;
    for (std::uint64_t position = size_of(fd.get()); position > 0 && end.size() < max_bytes;) {
        const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(position, kBlock));
        position -= length;
        end.insert(0, read_block(fd.get(), position, length));
        if (static_cast<std::size_t>(std::ranges::count(end, '\n')) > lines) break;
    }
    return end;
}

}  // namespace

void rotate_log(const std::filesystem::path& path, std::uint64_t max_bytes, int keep) {
    UniqueFd log(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!log && errno == ENOENT) return;
    if (!log) throw_errno("open " + path.native(), errno);
    const std::uint64_t size = size_of(log.get());
    if (size <= max_bytes) return;

    std::exception_ptr copy_failed;
    if (keep > 0) {
        const std::filesystem::path part = path.native() + ".part";
        try {
            copy_lines(log.get(), size - max_bytes, size, part);
            for (int number = keep - 1; number >= 1; --number) {
                std::error_code missing;
                std::filesystem::rename(rotated(path, number), rotated(path, number + 1), missing);
            }
            std::filesystem::rename(part, rotated(path, 1));
        } catch (...) {
            copy_failed = std::current_exception();
            std::error_code ignored;
            std::filesystem::remove(part, ignored);
        }
    }
    // Also when there was no room for the copy: an engine that fills the disk with its log must not stop the
    // rest.
    if (::ftruncate(log.get(), 0) != 0) throw_errno("truncate log", errno);
    if (copy_failed) std::rethrow_exception(copy_failed);
}

std::vector<std::string> tail_log(const std::filesystem::path& path, std::size_t lines) {
    std::string text;
    for (int number = 0; text.size() < kMaxTailBytes; ++number) {
        const auto found = static_cast<std::size_t>(std::ranges::count(text, '\n'));
        if (found > lines) break;
        const std::filesystem::path file = rotated(path, number);
        if (number > 0 && !std::filesystem::exists(file)) break;
        text.insert(0, read_end(file, lines - found, kMaxTailBytes - text.size()));
    }
    std::vector<std::string> result;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        result.push_back(text.substr(start, end - start));
        if (result.back().ends_with('\r')) result.back().pop_back();
        start = end + 1;
    }
    if (result.size() > lines) result.erase(result.begin(), result.end() - static_cast<std::ptrdiff_t>(lines));
    return result;
}

}  // namespace llmm
