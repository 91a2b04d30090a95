#include "storage/intake.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace llmm::storage {
namespace {

// Gives false where the file system, or the border between two, has no such thing.
bool reflink(int source, const std::filesystem::path& part) {
    const UniqueFd target = open_file(part, O_WRONLY | O_CREAT | O_EXCL);
    if (::ioctl(target.get(), FICLONE, source) == 0) return true;
    ::unlink(part.c_str());
    return false;
}

bool hard_link(int source, const std::filesystem::path& part) {
    struct ::stat info{};
    if (::fstat(source, &info) != 0) throw_errno("fstat of a local file", errno);
    // The store makes its files read-only; one of another owner could be changed under our feet.
    if (info.st_uid != ::geteuid()) return false;
    const std::string name = fmt::format("/proc/self/fd/{}", source);
    return ::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, part.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

// Not copy_file_range: it fails between most kinds of file systems, which is just when a copy is needed.
void copy(int source, const std::filesystem::path& part) {
    constexpr std::size_t kStep = 1 << 20;
    const UniqueFd target = open_file(part, O_WRONLY | O_CREAT | O_EXCL);
    std::vector<std::byte> buffer(kStep);
    try {
        for (std::uint64_t at = 0;;) {
            const std::size_t count = read_at(source, buffer, at);
            if (count == 0) return;
            write_all(target.get(), std::span(buffer).first(count), at);
            at += count;
        }
    } catch (const Error&) {
        ::unlink(part.c_str());
        throw;
    }
}

}  // namespace

std::string_view name_of(Taken taken) {
    switch (taken) {
        case Taken::reflink:
            return "reflink";
        case Taken::hard_link:
            return "hard_link";
        case Taken::copy:
            break;
    }
    return "copy";
}

Taken take_file(int source, const std::filesystem::path& part, bool may_copy) {
    if (reflink(source, part)) return Taken::reflink;
    if (hard_link(source, part)) return Taken::hard_link;
    if (!may_copy) {
        throw Error(
            ErrorCode::validation_failed,
            {"the files are on another file system than the data directory, or belong to somebody else: they can't "
             "be linked; allow copying with \"copy\": true (--copy)",
             "文件与数据目录不在同一文件系统，或属于其他用户，无法链接；可用 \"copy\": true（--copy）允许复制"});
    }
    copy(source, part);
    return Taken::copy;
}

}  // namespace llmm::storage
