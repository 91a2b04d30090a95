#include "features/models/model_ref.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <array>

namespace llmm::models {
namespace {

constexpr std::size_t kMaxRef = 2048;

[[noreturn]] void refuse(Text problem) {
    throw Error(
        ErrorCode::validation_failed, Text{"this is not a model reference", "这不是有效的模型引用"},
        {{"ref", FieldProblem{std::move(problem),
                              Text{"huggingface:org/name:Q4_K_M, hf.co/org/name, https://huggingface.co/org/name, "
                                   "demo:tiny-chat",
                                   "huggingface:org/name:Q4_K_M、hf.co/org/name、https://huggingface.co/org/name、"
                                   "demo:tiny-chat"}}}});
}

bool is_name_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
}

// One part of a repository's id (hubs.md 1.1: letters, digits, "._-", at most 96, no ".." or "--", no "." or "-" at the
// ends).
bool is_repo_part(std::string_view part) {
    return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), is_name_character) &&
           part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos &&
           part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-' &&
           !part.ends_with(".git");
}

bool is_revision(std::string_view text) {
    return !text.empty() && text.size() <= 128 && text.find("..") == std::string_view::npos && text.front() != '/' &&
           text.back() != '/' &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_name_character(c) || c == '/'; });
}

bool is_variant(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), is_name_character);
}

// Cuts `prefix` off, whatever its case.
bool take_prefix(std::string_view& text, std::string_view prefix) {
    const bool same =
        text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
            return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
        });
    if (same) text.remove_prefix(prefix.size());
    return same;
}

// "org/name@revision:variant"
void read_repository(std::string_view text, ModelRef& ref) {
    const auto at = text.find('@');
    std::string_view rest = at == std::string_view::npos ? text : text.substr(at + 1);
    const auto colon = rest.rfind(':');
    if (colon != std::string_view::npos) {
        if (!is_variant(rest.substr(colon + 1))) refuse({"the variant after \":\" is not valid", "“:”之后的变体无效"});
        ref.variant = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
    }
    if (at != std::string_view::npos) {
        if (!is_revision(rest)) refuse({"the revision after \"@\" is not valid", "“@”之后的版本无效"});
        ref.revision = rest;
        text = text.substr(0, at);
    } else {
        text = rest;
    }
    const auto slash = text.find('/');
    const bool named = slash == std::string_view::npos
                           ? is_repo_part(text)
                           : is_repo_part(text.substr(0, slash)) && is_repo_part(text.substr(slash + 1));
    if (!named) refuse({"the repository must be org/name", "仓库必须是 org/name 形式"});
    ref.repo = text;
}

// What follows the host of a repository's web page: "org/name", perhaps "/tree/<revision>" behind it.
void read_page(std::string_view path, ModelRef& ref) {
    path = path.substr(0, path.find_first_of("?#"));
    while (path.ends_with('/'))
        path.remove_suffix(1);
    const auto tree = path.find("/tree/");
    if (tree != std::string_view::npos) {
        if (!is_revision(path.substr(tree + 6))) refuse({"the revision in the URL is not valid", "URL 中的版本无效"});
        ref.revision = path.substr(tree + 6);
        path = path.substr(0, tree);
    }
    std::string repository(path);
    if (!ref.revision.empty() && repository.find('@') != std::string::npos)
        refuse({"it names two revisions", "包含两个版本"});
    const std::string revision = ref.revision;
    read_repository(repository, ref);
    if (!revision.empty()) ref.revision = revision;
}

}  // namespace

std::string ModelRef::str() const {
    std::string text = std::string(name_of(source)) + ":" + repo;
    if (!revision.empty()) text += "@" + revision;
    if (!variant.empty()) text += ":" + variant;
    return text;
}

ModelRef parse_model_ref(std::string_view text) {
    if (text.empty() || text.size() > kMaxRef) refuse({"it is empty or too long", "为空或过长"});
    ModelRef ref;
    if (take_prefix(text, "https://huggingface.co/") || take_prefix(text, "https://hf.co/")) {
        read_page(text, ref);
        return ref;
    }
    if (take_prefix(text, "huggingface.co/") || take_prefix(text, "hf.co/") || take_prefix(text, "huggingface:") ||
        take_prefix(text, "hf:")) {
        read_repository(text, ref);
        return ref;
    }
    if (take_prefix(text, "demo:")) {
        ref.source = Source::demo;
        read_repository(text, ref);
        return ref;
    }
    for (const std::string_view other : {"ollama:", "modelscope:", "local:", "https://", "http://"}) {
        if (take_prefix(text, other)) {
            refuse(Text::format("this version can't fetch from \"{}\" yet", "当前版本尚不支持从“{}”获取", other));
        }
    }
    if (std::count(text.begin(), text.end(), '/') == 1 && text.find(':') > text.find('/')) {
        read_repository(text, ref);  // plain "org/name", as HuggingFace's own tools take it
        return ref;
    }
    refuse({"it names no source", "未指明来源"});
}

}  // namespace llmm::models
