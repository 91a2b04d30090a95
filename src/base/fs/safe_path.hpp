#pragma once
#include "base/fs/file.hpp"

#include <compare>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace llmm {

// A relative path from outside (a hub's file listing) whose every component is harmless on every platform: no "..",
// ".", empty component, backslash, colon, control character (C0, C1, the invisible and bidirectional ones of Unicode),
// leading or trailing space, trailing dot, Windows device name, more than 255 bytes a component, 1024 in all or 32
// components; valid UTF-8 only.
class SafePath {
  public:
    static std::optional<SafePath> parse(std::string_view text);

    const std::string& str() const { return text_; }  // components joined with "/"
    std::string_view file_name() const;               // the last component
    // For detecting names that would collide on file systems that ignore case: ASCII and Latin letters lowered.
    std::string folded() const;
    friend auto operator<=>(const SafePath&, const SafePath&) = default;

  private:
    explicit SafePath(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

// The path guard: opens files below a root directory and can't be led out of it, by ".." or by a link placed on the way
// (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS). Throws UNSAFE_FILE when a link is met, else as file.hpp does.
// Blocking; any thread.
class GuardedDirectory {
  public:
    explicit GuardedDirectory(std::filesystem::path root);  // made when missing, mode 0700

    const std::filesystem::path& root() const { return root_; }
    UniqueFd open(const SafePath& path, int flags, unsigned mode = 0600) const;
    // Makes the directories above the path, each checked the same way.
    void make_parents(const SafePath& path) const;
    enum class Durable { now, later };
    // Puts a symbolic link at `path` to `target` (made relative to the link's directory), replacing what is there in
    // one step. `later`: the caller brings it to the disk together with others.
    void link_to(const SafePath& path, const std::filesystem::path& target, Durable durable = Durable::now) const;
    // Puts a second name of the file `source` at `path`; true also when something is there already. False when that
    // can't be (another file system, another owner).
    bool hard_link_to(const SafePath& path, const std::filesystem::path& source) const;
    // Replaces the file at `path` in one step, durably.
    void write(const SafePath& path, std::string_view content, unsigned mode = 0644) const;
    void remove(const SafePath& path) const;  // a missing file is fine; empty parents below the root go too

  private:
    UniqueFd open_parent(const SafePath& path) const;

    std::filesystem::path root_;
    UniqueFd fd_;
};

}  // namespace llmm
