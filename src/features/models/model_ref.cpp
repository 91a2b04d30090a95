#include "features/models/model_ref.hpp"

#include "base/crypto/digest.hpp"
#include "base/error/error.hpp"
#include "base/fs/local_roots.hpp"
#include "base/net/url.hpp"
#include "integrations/modelscope/modelscope_json.hpp"
#include "integrations/ollama/ollama_name.hpp"

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
                                   "ollama:llama3.2:1b, modelscope:org/name, https://host/path/model.gguf#sha256=…, "
                                   "local:/path, demo:tiny-chat",
                                   "huggingface:org/name:Q4_K_M、hf.co/org/name、https://huggingface.co/org/name、"
                                   "ollama:llama3.2:1b、modelscope:org/name、https://host/path/model.gguf#sha256=…、"
                                   "local:/path、demo:tiny-chat"}}}});
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

bool is_repo(std::string_view text) {
    const auto slash = text.find('/');
    return slash == std::string_view::npos
               ? is_repo_part(text)
               : is_repo_part(text.substr(0, slash)) && is_repo_part(text.substr(slash + 1));
}

// "org/name@revision:variant"
void read_repository(std::string_view text, ModelRef& ref, bool (*is_name)(std::string_view) = is_repo) {
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
    if (!is_name(text)) refuse({"the repository must be org/name", "仓库必须是 org/name 形式"});
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

bool is_hex(std::string_view text, std::size_t digits) {
    return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

// Cuts "@<revision>" or "@<revision>:<variant>" off the end. Only digests are revisions here: an "@" may be part of the
// name.
void take_pin(std::string_view& text, ModelRef& ref) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos) return;
    std::string_view pin = text.substr(at + 1);
    std::string_view variant;
    if (const auto colon = pin.find(':'); colon != std::string_view::npos) {
        variant = pin.substr(colon + 1);
        if (!is_variant(variant)) return;
        pin = pin.substr(0, colon);
    }
    if (!is_hex(pin, 40) && !is_hex(pin, 64)) return;
    ref.revision = pin;
    ref.variant = variant;
    text = text.substr(0, at);
}

ModelRef ollama_ref(std::string_view text) {
    ModelRef ref{.source = Source::ollama, .repo = {}, .revision = {}, .variant = {}};
    take_pin(text, ref);
    const auto name = hubs::ollama::Name::parse(text);
    if (!name)
        refuse(
            {"an Ollama name is [host/][namespace/]model[:tag]", "Ollama 模型名应为 [host/][namespace/]model[:tag]"});
    ref.repo = name->str();
    return ref;
}

ModelRef local_ref(std::string_view text) {
    ModelRef ref{.source = Source::local, .repo = {}, .revision = {}, .variant = {}};
    take_pin(text, ref);
    // No component of an accepted path has a ":".
    const auto colon = text.find(':');
    if (ref.revision.empty() && colon != std::string_view::npos) {
        if (!is_variant(text.substr(colon + 1))) refuse({"the variant after \":\" is not valid", "“:”之后的变体无效"});
        ref.variant = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    const auto path = LocalRoots::parse(text);
    if (!path) refuse({"it must be an absolute path without \"..\"", "必须是不含“..”的绝对路径"});
    ref.repo = path->string();
    return ref;
}

ModelRef url_ref(std::string_view text) {
    ModelRef ref{.source = Source::url, .repo = {}, .revision = {}, .variant = {}};
    take_pin(text, ref);
    if (const auto hash = text.find('#'); hash != std::string_view::npos) {
        std::string_view fragment = text.substr(hash + 1);
        const auto digest = take_prefix(fragment, "sha256=") ? Sha256::parse(fragment) : std::nullopt;
        if (!digest || fragment.size() != 64 || !ref.revision.empty()) {
            refuse(
                {"what follows \"#\" must be sha256= and 64 hex digits", "“#”之后必须是 sha256= 和 64 位十六进制数"});
        }
        ref.revision = digest->hex();
        text = text.substr(0, hash);
    }
    const auto url = Url::parse(text);
    if (!url) refuse({"the address is not valid", "地址无效"});
    // An "@" has a meaning in what we write; encoded it is the same address.
    for (const char c : url->str())
        ref.repo += c == '@' ? "%40" : std::string(1, c);
    if (ref.repo.size() > kMaxRef - 200) refuse({"it is empty or too long", "为空或过长"});
    return ref;
}

std::optional<ModelRef> page_of_a_hub(std::string_view text) {
    for (const std::string_view host : {"https://modelscope.cn/models/", "https://www.modelscope.cn/models/",
                                        "https://modelscope.ai/models/", "https://www.modelscope.ai/models/"}) {
        if (!take_prefix(text, host)) continue;
        text = text.substr(0, text.find_first_of("?#"));
        const auto first = text.find('/');
        if (first != std::string_view::npos) text = text.substr(0, text.find('/', first + 1));
        ModelRef ref{.source = Source::modelscope, .repo = {}, .revision = {}, .variant = {}};
        read_repository(text, ref, hubs::modelscope::is_repo);
        return ref;
    }
    if (take_prefix(text, "https://ollama.com/") || take_prefix(text, "https://www.ollama.com/"))
        return ollama_ref(text.substr(0, text.find_first_of("?#")));
    return std::nullopt;
}

}  // namespace

std::string ModelRef::str() const {
    std::string text = std::string(name_of(source)) + ":" + repo;
    if (!revision.empty()) text += "@" + revision;
    if (!variant.empty()) text += ":" + variant;
    return text;
}

namespace {

ModelRef parse(std::string_view text) {
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
    if (take_prefix(text, "modelscope:")) {
        ref.source = Source::modelscope;
        read_repository(text, ref, hubs::modelscope::is_repo);
        return ref;
    }
    if (auto page = page_of_a_hub(text)) return *std::move(page);
    if (take_prefix(text, "ollama:")) return ollama_ref(text);
    if (take_prefix(text, "local:")) return local_ref(text);
    take_prefix(text, "url:");
    if (std::string_view address = text; take_prefix(address, "https://") || take_prefix(address, "http://"))
        return url_ref(text);
    if (std::count(text.begin(), text.end(), '/') == 1 && text.find(':') > text.find('/')) {
        read_repository(text, ref);  // plain "org/name", as HuggingFace's own tools take it
        return ref;
    }
    refuse({"it names no source", "未指明来源"});
}

}  // namespace

ModelRef parse_model_ref(std::string_view text) {
    ModelRef ref = parse(text);
    // Names become folders: what no file system could hold (a device's name, say) is refused here and not at the end.
    ModelRef pinned = ref;
    if (pinned.revision.empty()) pinned.revision = "main";
    if (!SafePath::parse(model_directory(pinned).string()))
        refuse({"it could not be a folder's name", "不能作为目录名"});
    return ref;
}

std::filesystem::path model_directory(const ModelRef& pinned) {
    const std::filesystem::path top(std::string(name_of(pinned.source)));
    std::string repo = pinned.repo;
    if (pinned.source == Source::local) return top / pinned.revision;
    if (pinned.source == Source::url) {
        const auto url = Url::parse(pinned.repo);
        repo = url ? url->host() : "";
    }
    // The tag of an Ollama name, a port, an IPv6 address: file names have no ":".
    std::replace(repo.begin(), repo.end(), ':', pinned.source == Source::ollama ? '/' : '_');
    return top / repo / pinned.revision;
}

SafePath link_path(const ModelRef& pinned, const std::string& file) {
    const auto path = SafePath::parse((model_directory(pinned) / file).string());
    if (!path) {
        throw Error(ErrorCode::unsafe_file, Text::format("the file name \"{}\" is not safe", "文件名“{}”不安全", file));
    }
    return *path;
}

}  // namespace llmm::models
