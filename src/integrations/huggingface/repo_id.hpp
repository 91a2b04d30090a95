#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace llmm::hubs::huggingface {

// "name" (a legacy model) or "namespace/name", as the hub lets people choose them: safe inside a URL as it
// is.
class RepoId {
  public:
    static std::optional<RepoId> parse(std::string_view text);

    const std::string& str() const { return text_; }
    std::string_view owner() const;  // empty for a legacy model
    std::string_view name() const;
    friend bool operator==(const RepoId&, const RepoId&) = default;

  private:
    explicit RepoId(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

// A branch, tag, commit or ref ("refs/pr/1") that git would accept. May hold "/": encode it when it becomes a
// segment.
class Revision {
  public:
    static std::optional<Revision> parse(std::string_view text);

    const std::string& str() const { return text_; }
    bool is_commit() const;

  private:
    explicit Revision(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

// 40 lower-case hex digits.
bool is_git_sha1(std::string_view text);

}  // namespace llmm::hubs::huggingface
