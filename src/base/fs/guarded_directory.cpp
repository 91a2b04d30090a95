#include "base/error/error.hpp"
#include "base/fs/safe_path.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <random>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm {
namespace {

// -1 with errno set, as open().
int open_beneath(int directory, const std::string& path, int flags, unsigned mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;  // the kernel refuses a mode that has no use
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    long fd;
    do {
        fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
        // EAGAIN: a rename elsewhere made the kernel unsure that the path stayed below the directory.
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return static_cast<int>(fd);
}

[[noreturn]] void throw_for(const SafePath& path, std::string_view what, int error) {
    const std::string note = fmt::format("{} {}", what, path.str());
    // ENOTDIR: what a link in the place of a directory gives when it may not be followed.
    if (error == ELOOP || error == EXDEV || error == ENOTDIR) {
        throw Error(ErrorCode::unsafe_file, {"A link stands in the way of a file", "文件路径上存在链接"})
            .with_log_note(note);
    }
    throw_errno(note, error);
}

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

std::string_view parent_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace

GuardedDirectory::GuardedDirectory(std::filesystem::path root) : root_(std::filesystem::absolute(root)) {
    make_directories(root_, 0700);
    fd_ = open_file(root_, O_RDONLY | O_DIRECTORY);
}

UniqueFd GuardedDirectory::open(const SafePath& path, int flags, unsigned mode) const {
    const int fd = open_beneath(fd_.get(), path.str(), flags | O_NOFOLLOW, mode);
    if (fd < 0) throw_for(path, "open", errno);
    return UniqueFd(fd);
}

void GuardedDirectory::make_parents(const SafePath& path) const {
    UniqueFd below;
    for (std::string_view rest = parent_of(path.str()); !rest.empty();) {
        const std::size_t slash = rest.find('/');
        const std::string component(rest.substr(0, slash));
        rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
        const int directory = below ? below.get() : fd_.get();
        if (::mkdirat(directory, component.c_str(), 0700) != 0 && errno != EEXIST) throw_for(path, "mkdir", errno);
        UniqueFd next(open_beneath(directory, component, kDirectory, 0));
        if (!next) throw_for(path, "open the directory of", errno);
        below = std::move(next);
    }
}

// Empty (with errno set) when a directory on the way is missing; throws for the rest.
UniqueFd GuardedDirectory::open_parent(const SafePath& path) const {
    const std::string_view parent = parent_of(path.str());
    UniqueFd fd(open_beneath(fd_.get(), parent.empty() ? std::string(".") : std::string(parent), kDirectory, 0));
    if (!fd && errno != ENOENT) throw_for(path, "open the directory of", errno);
    return fd;
}

void GuardedDirectory::link_to(const SafePath& path, const std::filesystem::path& target, Durable durable) const {
    const UniqueFd parent = open_parent(path);
    if (!parent) throw_for(path, "link", ENOENT);
    // Links above the root would make ".." mean another directory: both ends are taken as the kernel sees
    // them.
    const auto link_directory = std::filesystem::canonical(root_) / parent_of(path.str());
    const auto absolute_target = std::filesystem::absolute(target);
    const auto real_target =
        std::filesystem::weakly_canonical(absolute_target.parent_path()) / absolute_target.filename();
    const auto content = real_target.lexically_relative(link_directory);

    const std::string name(path.file_name());
    const std::string temporary = fmt::format(".link.{:08x}.tmp", std::random_device()());
    if (::symlinkat(content.c_str(), parent.get(), temporary.c_str()) != 0) throw_for(path, "link", errno);
    if (::renameat(parent.get(), temporary.c_str(), parent.get(), name.c_str()) != 0) {
        const int error = errno;
        ::unlinkat(parent.get(), temporary.c_str(), 0);
        throw_for(path, "link", error);
    }
    if (durable == Durable::now) sync_file(parent.get());
}

bool GuardedDirectory::hard_link_to(const SafePath& path, const std::filesystem::path& source) const {
    const UniqueFd parent = open_parent(path);
    if (!parent) throw_for(path, "link", ENOENT);
    const std::string name(path.file_name());
    if (::linkat(AT_FDCWD, source.c_str(), parent.get(), name.c_str(), 0) == 0) {
        sync_file(parent.get());
        return true;
    }
    if (errno == EEXIST) return true;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP) return false;
    throw_for(path, "link", errno);
}

void GuardedDirectory::write(const SafePath& path, std::string_view content, unsigned mode) const {
    const UniqueFd parent = open_parent(path);
    if (!parent) throw_for(path, "write", ENOENT);
    const std::string name(path.file_name());
    const std::string temporary = fmt::format(".new.{:08x}.tmp", std::random_device()());
    {
        const UniqueFd file(open_beneath(parent.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
        if (!file) throw_for(path, "write", errno);
        write_all(file.get(), std::as_bytes(std::span(content)), 0);
        sync_file(file.get());
    }
    if (::renameat(parent.get(), temporary.c_str(), parent.get(), name.c_str()) != 0) {
        const int error = errno;
        ::unlinkat(parent.get(), temporary.c_str(), 0);
        throw_for(path, "write", error);
    }
    sync_file(parent.get());
}

void GuardedDirectory::remove(const SafePath& path) const {
    if (const UniqueFd parent = open_parent(path)) {
        const std::string name(path.file_name());
        if (::unlinkat(parent.get(), name.c_str(), 0) != 0 && errno != ENOENT) throw_for(path, "remove", errno);
    }
    for (std::string_view directory = parent_of(path.str()); !directory.empty(); directory = parent_of(directory)) {
        const SafePath at = *SafePath::parse(directory);
        const UniqueFd above = open_parent(at);
        const std::string name(at.file_name());
        if (!above || ::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) return;
        throw_for(at, "remove", errno);
    }
}

}  // namespace llmm
