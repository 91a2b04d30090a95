#pragma once
#include "base/fs/file.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm {

// The folders of this machine that the operator opened for taking models from and for publishing links into. Whatever
// path a client names is looked up below one of them by the kernel (openat2, RESOLVE_BENEATH): links inside a folder
// are followed, none leads out of it. Throws URL_FORBIDDEN for a path elsewhere, UNSAFE_FILE for one that leads out,
// HUB_FILE_NOT_FOUND, FORBIDDEN.
// Blocking; any thread.
class LocalRoots {
  public:
    struct File {
        std::string path;  // relative to the folder asked for, or the file's own name
        std::uint64_t size = 0;
        std::int64_t modified_ns = 0;  // since 1970
    };

    // A folder that does not exist (yet) gives no access.
    explicit LocalRoots(std::vector<std::filesystem::path> roots);

    bool empty() const { return roots_.empty(); }
    const std::vector<std::filesystem::path>& roots() const { return roots_; }
    // Absolute, without "." and "..", UTF-8 without control characters, at most 1024 bytes.
    static std::optional<std::filesystem::path> parse(std::string_view text);
    // Throws URL_FORBIDDEN unless the path is below a root, by its text.
    void check(const std::filesystem::path& path) const;
    bool is_directory(const std::filesystem::path& path) const;
    // For reading; a regular file or nothing (UNSAFE_FILE): devices and pipes are no model files.
    UniqueFd open_file(const std::filesystem::path& path) const;
    // A folder inside a root, links on the way only inside it; for making names in it.
    UniqueFd open_directory(const std::filesystem::path& path) const;
    // The file itself, or the regular files below the folder (links to files inside the root count), sorted by path; at
    // most `most` of them, else UNSAFE_FILE.
    std::vector<File> list(const std::filesystem::path& path, std::size_t most) const;

  private:
    UniqueFd open(const std::filesystem::path& path, int flags) const;

    std::vector<std::filesystem::path> roots_;
};

}  // namespace llmm
