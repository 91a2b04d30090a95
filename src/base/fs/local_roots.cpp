#include "base/fs/local_roots.hpp"

#include "base/error/error.hpp"
#include "base/fs/safe_path.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace llmm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPath = 1024;
constexpr int kMaxDepth = 16;

bool is_below(const fs::path& path, const fs::path& root) {
    const auto [end, _] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
    return end == root.end();
}

std::int64_t modified_ns(const struct ::stat& info) {
    return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

LocalRoots::LocalRoots(std::vector<fs::path> roots) {
    for (const fs::path& root : roots) {
        // The root itself may be a link: it is the operator's word.
        auto normal = fs::absolute(root).lexically_normal();
        if (!normal.has_filename()) normal = normal.parent_path();
        if (normal != normal.root_path()) roots_.push_back(std::move(normal));
    }
}

std::optional<fs::path> LocalRoots::parse(std::string_view text) {
    while (text.size() > 1 && text.ends_with('/'))
        text.remove_suffix(1);
    if (text.size() < 2 || text.size() > kMaxPath || text.front() != '/') return std::nullopt;
    for (std::size_t begin = 1; begin <= text.size();) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        // One component at a time: a deep path of the operator's own machine is no danger, a strange name is.
        const bool hidden = part.starts_with('.') && part != "." && part != "..";
        if (!SafePath::parse(hidden ? part.substr(1) : part)) return std::nullopt;
        begin = end + 1;
    }
    return fs::path(std::string(text));
}

void LocalRoots::check(const fs::path& path) const {
    if (std::ranges::any_of(roots_, [&](const fs::path& root) { return is_below(path, root); })) return;
    throw Error(ErrorCode::url_forbidden,
                Text{"this path is in no folder that the service may use: add its folder to local.roots "
                     "(LLM_MANAGER_LOCAL_ROOTS)",
                     "该路径不在服务可用的目录中：请将其目录加入 local.roots（LLM_MANAGER_LOCAL_ROOTS）"},
                {{"reason", std::string("path")}});
}

UniqueFd LocalRoots::open(const fs::path& path, int flags) const {
    check(path);
    int error = ENOENT;
    for (const fs::path& root : roots_) {
        if (!is_below(path, root)) continue;
        const int top = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (top < 0) {
            error = errno;
            continue;
        }
        const UniqueFd owner(top);
        const fs::path below = path.lexically_relative(root);
        open_how how{};
        how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        long fd;
        do {
            fd = ::syscall(SYS_openat2, top, below.c_str(), &how, sizeof how);
        } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
        if (fd >= 0) return UniqueFd(static_cast<int>(fd));
        error = errno;
    }
    if (error == EXDEV || error == ELOOP) {
        throw Error(ErrorCode::unsafe_file,
                    {"a link leads out of the folders that the service may use", "路径中的链接指向了允许的目录之外"});
    }
    if (error == ENOENT || error == ENOTDIR) {
        throw Error(ErrorCode::hub_file_not_found, {"there is no such file or folder", "没有这个文件或目录"});
    }
    if (error == EACCES || error == EPERM) {
        throw Error(ErrorCode::forbidden, {"the service may not read this file or folder", "服务无权读取该文件或目录"});
    }
    throw_errno("open a local file", error);
}

bool LocalRoots::is_directory(const fs::path& path) const {
    const UniqueFd fd = open(path, O_PATH);
    struct ::stat info{};
    if (::fstat(fd.get(), &info) != 0) throw_errno("fstat a local file", errno);
    return S_ISDIR(info.st_mode);
}

UniqueFd LocalRoots::open_file(const fs::path& path) const {
    // O_NONBLOCK: opening a pipe must not wait for its other end.
    UniqueFd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct ::stat info{};
    if (::fstat(fd.get(), &info) != 0) throw_errno("fstat a local file", errno);
    if (!S_ISREG(info.st_mode)) {
        throw Error(ErrorCode::unsafe_file, {"this is not a regular file", "这不是普通文件"});
    }
    return fd;
}

UniqueFd LocalRoots::open_directory(const fs::path& path) const {
    return open(path, O_RDONLY | O_DIRECTORY);
}

std::vector<LocalRoots::File> LocalRoots::list(const fs::path& path, std::size_t most) const {
    std::vector<File> files;
    const auto add = [&](const fs::path& file, std::string name) {
        struct ::stat info{};
        const UniqueFd fd = open(file, O_PATH);
        if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return;
        if (files.size() == most) {
            throw Error(ErrorCode::unsafe_file,
                        Text::format("the folder has more than {} files", "目录中的文件超过 {} 个", most));
        }
        files.push_back({std::move(name), static_cast<std::uint64_t>(info.st_size), modified_ns(info)});
    };
    if (!is_directory(path)) {
        add(path, path.filename().string());
        return files;
    }
    std::error_code ignored;
    auto entry = fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, ignored);
    for (const auto end = fs::recursive_directory_iterator(); !ignored && entry != end; entry.increment(ignored)) {
        if (entry.depth() >= kMaxDepth) entry.disable_recursion_pending();
        std::error_code error;
        // A link to a folder is not entered; one to a file is, when it stays inside.
        if (entry->is_directory(error)) continue;
        try {
            add(entry->path(), entry->path().lexically_relative(path).string());
        } catch (const Error& refused) {
            if (refused.code() != ErrorCode::hub_file_not_found && refused.code() != ErrorCode::forbidden) throw;
        }
    }
    std::ranges::sort(files, {}, &File::path);
    return files;
}

}  // namespace llmm
