#include "integrations/huggingface/repo_id.hpp"

#include <algorithm>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::size_t kMaxNameLength = 96;  // the hub's own limit
constexpr std::size_t kMaxRevisionLength = 255;

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view text) {
    const auto is_edge = [](char c) { return c == '-' || c == '.'; };
    return !text.empty() && text.size() <= kMaxNameLength && !is_edge(text.front()) && !is_edge(text.back()) &&
           !text.contains("--") && !text.contains("..") &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

// git check-ref-format for one component, ASCII only.
bool is_ref_component(std::string_view text) {
    return !text.empty() && text.front() != '.' && text.front() != '-' && text.back() != '.' && !text.contains("..") &&
           !text.contains("@{") && !text.ends_with(".lock") && std::ranges::all_of(text, [](char c) {
               return c > ' ' && c < '\x7f' && std::string_view("~^:?*[\\").find(c) == std::string_view::npos;
           });
}

}  // namespace

std::optional<RepoId> RepoId::parse(std::string_view text) {
    const auto slash = text.find('/');
    const std::string_view name = slash == std::string_view::npos ? text : text.substr(slash + 1);
    if (!is_name(name) || name.ends_with(".git")) return std::nullopt;
    if (slash != std::string_view::npos && !is_name(text.substr(0, slash))) return std::nullopt;
    return RepoId(std::string(text));
}

std::string_view RepoId::owner() const {
    const auto slash = text_.find('/');
    return slash == std::string::npos ? std::string_view() : std::string_view(text_).substr(0, slash);
}

std::string_view RepoId::name() const {
    return std::string_view(text_).substr(text_.find('/') + 1);  // npos + 1 is 0
}

std::optional<Revision> Revision::parse(std::string_view text) {
    if (text.size() > kMaxRevisionLength || text == "@") return std::nullopt;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        if (!is_ref_component(text.substr(begin, end - begin))) return std::nullopt;
        begin = end + 1;
    }
    return Revision(std::string(text));
}

bool Revision::is_commit() const {
    return is_git_sha1(text_);
}

bool is_git_sha1(std::string_view text) {
    return text.size() == 40 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace llmm::hubs::huggingface
