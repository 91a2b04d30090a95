#include "integrations/huggingface/huggingface_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "base/log/log.hpp"
#include "integrations/huggingface/repo_id.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::int64_t kMaxFileSize = std::int64_t{1} << 50;  // 1 PiB: beyond every disk
constexpr std::size_t kMaxPathLength = 4096;                  // bytes
constexpr std::size_t kMaxTags = 500;
constexpr std::size_t kMaxTagLength = 256;
constexpr std::size_t kMaxCategories = 500;
constexpr std::string_view kFormats[] = {"gguf", "safetensors"};

[[noreturn]] void bad(const std::string& where, std::string_view en, std::string_view zh) {
    throw Error(ErrorCode::hub_bad_response, Text{fmt::format("the hub's answer can't be used: {} {}", where, en),
                                                  fmt::format("无法使用 hub 的回答：{} {}", where, zh)});
}

json::value parse(std::string_view body) {
    try {
        return parse_json(body);
    } catch (const Error& error) {
        const auto first = body.find_first_not_of(" \t\r\n");
        if (first != std::string_view::npos && body[first] == '<') {
            throw Error(ErrorCode::hub_bad_response,
                        {"a web page came instead of the hub's data: a network login page, a proxy, or an endpoint "
                         "that is "
                         "not a hub (HF_ENDPOINT)",
                         "收到的是网页而不是 hub 的数据：可能是网络登录页、代理，或 HF_ENDPOINT 指向的不是 hub"});
        }
        throw Error(ErrorCode::hub_bad_response,
                    Text::format("the hub's answer is not valid JSON: {0}", "hub 的回答不是有效的 JSON：{1}",
                                 error.message().en, error.message().zh));
    }
}

const json::array& array_of(const json::value& value, const std::string& where) {
    if (!value.is_array()) bad(where, "is not a list", "不是列表");
    return value.get_array();
}

const json::object& object_of(const json::value& value, const std::string& where) {
    if (!value.is_object()) bad(where, "is not an object", "不是对象");
    return value.get_object();
}

// nullptr when missing or null.
const json::value* find(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

std::string required_text(const json::object& object, std::string_view name, const std::string& where,
                          std::size_t max_length) {
    const json::value* value = find(object, name);
    const std::string field = fmt::format("{}.{}", where, name);
    if (!value) bad(field, "is missing", "缺失");
    if (!value->is_string()) bad(field, "is not a string", "不是字符串");
    const json::string& text = value->get_string();
    if (text.empty()) bad(field, "is empty", "为空");
    if (text.size() > max_length) bad(field, "is too long", "过长");
    return std::string(text);
}

std::optional<std::string> text_if(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_string() || value->get_string().empty()) return std::nullopt;
    return std::string(value->get_string());
}

std::optional<std::int64_t> count_if(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

bool flag(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    return value && value->is_bool() && value->get_bool();
}

std::optional<std::uint64_t> size_of(const json::object& object, const std::string& where) {
    const json::value* value = find(object, "size");
    if (!value) return std::nullopt;
    const std::string field = where + ".size";
    if (value->is_uint64()) bad(field, "is impossibly large", "大得不可能");  // used only beyond int64
    if (!value->is_int64()) bad(field, "is not a whole number", "不是整数");
    if (value->get_int64() < 0) bad(field, "is negative", "为负数");
    if (value->get_int64() > kMaxFileSize) bad(field, "is impossibly large", "大得不可能");
    return static_cast<std::uint64_t>(value->get_int64());
}

// The two listings differ in three names: rfilename, blobId and lfs.sha256, or path, oid and lfs.oid.
struct FileFields {
    std::string_view path, git_sha1, sha256;
};
constexpr FileFields kSibling{"rfilename", "blobId", "sha256"};
constexpr FileFields kTreeEntry{"path", "oid", "oid"};

RemoteFile file_of(const json::object& entry, const FileFields& names, const std::string& where) {
    RemoteFile file{.path = required_text(entry, names.path, where, kMaxPathLength),
                    .size = size_of(entry, where),
                    .sha256 = std::nullopt,
                    .git_sha1 = std::nullopt};
    if (const json::value* lfs = find(entry, "lfs")) {
        // The digest outside `lfs` is the pointer's, not the content's.
        const std::string inner = where + ".lfs";
        const json::object& fields = object_of(*lfs, inner);
        file.sha256 = Sha256::parse(required_text(fields, names.sha256, inner, 64));
        if (!file.sha256) bad(fmt::format("{}.{}", inner, names.sha256), "is not a SHA-256", "不是 SHA-256");
        if (const auto size = size_of(fields, inner)) file.size = size;
        return file;
    }
    if (find(entry, names.git_sha1)) {
        file.git_sha1 = required_text(entry, names.git_sha1, where, 40);
        if (!is_git_sha1(*file.git_sha1))
            bad(fmt::format("{}.{}", where, names.git_sha1), "is not a git SHA-1", "不是 git SHA-1");
    }
    return file;
}

std::optional<std::string> license_of(const json::object& model, const std::vector<std::string>& tags) {
    constexpr std::string_view kPrefix = "license:";
    for (const std::string& tag : tags) {
        if (tag.starts_with(kPrefix) && tag.size() > kPrefix.size()) return tag.substr(kPrefix.size());
    }
    const json::value* card = find(model, "cardData");
    return card && card->is_object() ? text_if(card->get_object(), "license") : std::nullopt;
}

// `gated` is false, "auto" or "manual".
bool is_gated(const json::object& model) {
    const json::value* value = find(model, "gated");
    return value && (value->is_string() || (value->is_bool() && value->get_bool()));
}

bool holds(const std::vector<std::string>& texts, std::string_view text) {
    return std::ranges::find(texts, text) != texts.end();
}

ModelSummary summary_of(const json::object& model, const RepoId& id) {
    ModelSummary summary;
    summary.repo = id.str();
    summary.name = id.name();
    summary.author = text_if(model, "author");
    if (!summary.author && !id.owner().empty()) summary.author = std::string(id.owner());
    summary.downloads = count_if(model, "downloads");
    summary.likes = count_if(model, "likes");
    if (const json::value* tags = find(model, "tags"); tags && tags->is_array()) {
        for (const json::value& tag : tags->get_array()) {
            if (!tag.is_string() || tag.get_string().size() > kMaxTagLength) continue;
            if (summary.tags.size() == kMaxTags) break;
            summary.tags.emplace_back(tag.get_string());
        }
    }
    summary.category = text_if(model, "pipeline_tag");
    summary.license = license_of(model, summary.tags);
    summary.gated = is_gated(model);
    summary.is_private = flag(model, "private");
    for (const std::string_view format : kFormats) {
        if (holds(summary.tags, format)) summary.formats.emplace_back(format);
    }
    if (const auto date = text_if(model, "lastModified")) summary.updated_at = parse_rfc3339(*date);
    return summary;
}

// The tags may lack a format that is there.
void add_formats_of_files(ModelInfo& info) {
    for (const std::string_view format : kFormats) {
        const auto is_one = [&](const RemoteFile& file) { return file.path.ends_with(fmt::format(".{}", format)); };
        if (!holds(info.summary.formats, format) && std::ranges::any_of(info.files, is_one)) {
            info.summary.formats.emplace_back(format);
        }
    }
}

// A string, or the first string of a list.
std::string first_text(const json::value* value) {
    if (!value) return {};
    if (const json::array* items = value->if_array()) return items->empty() ? "" : first_text(&items->front());
    if (const json::object* object = value->if_object()) return first_text(object->if_contains("message"));
    return value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

std::vector<ModelSummary> parse_search(std::string_view body) {
    const json::value document = parse(body);
    std::vector<ModelSummary> models;
    for (const json::value& row : array_of(document, "models")) {
        const std::string where = fmt::format("models[{}]", models.size());
        const json::object& model = object_of(row, where);
        const std::string text = required_text(model, "id", where, kMaxPathLength);
        if (const auto id = RepoId::parse(text)) {
            models.push_back(summary_of(model, *id));
        } else {
            // Nobody could open it: such a name is refused everywhere else, too.
            log::debug("a model of the hub's list is left out: its name is not valid", {{"repo", text}});
        }
    }
    return models;
}

ModelInfo parse_model_info(std::string_view body) {
    const json::value document = parse(body);
    const json::object& model = object_of(document, "model");
    const auto id = RepoId::parse(required_text(model, "id", "model", kMaxPathLength));
    if (!id) bad("model.id", "is not a repository name", "不是仓库名");
    ModelInfo info;
    info.summary = summary_of(model, *id);
    info.disabled = flag(model, "disabled");
    info.commit = required_text(model, "sha", "model", 40);
    if (!is_git_sha1(info.commit)) bad("model.sha", "is not a commit", "不是提交号");
    if (const json::value* siblings = find(model, "siblings")) {
        for (const json::value& sibling : array_of(*siblings, "siblings")) {
            const std::string where = fmt::format("siblings[{}]", info.files.size());
            info.files.push_back(file_of(object_of(sibling, where), kSibling, where));
        }
    }
    info.has_sizes = std::ranges::all_of(info.files, [](const RemoteFile& file) { return file.size.has_value(); });
    add_formats_of_files(info);
    return info;
}

std::vector<RemoteFile> parse_tree(std::string_view body) {
    const json::value document = parse(body);
    std::vector<RemoteFile> files;
    std::size_t index = 0;
    for (const json::value& row : array_of(document, "tree")) {
        const std::string where = fmt::format("tree[{}]", index++);
        const json::object& entry = object_of(row, where);
        if (required_text(entry, "type", where, 32) == "file") files.push_back(file_of(entry, kTreeEntry, where));
    }
    return files;
}

std::vector<Category> parse_categories(std::string_view body) {
    const json::value document = parse(body);
    const json::value* tags = find(object_of(document, "tags"), "pipeline_tag");
    std::vector<Category> categories;
    if (!tags) return categories;
    for (const json::value& row : array_of(*tags, "pipeline_tag")) {
        if (categories.size() == kMaxCategories) break;
        const std::string where = fmt::format("pipeline_tag[{}]", categories.size());
        const json::object& tag = object_of(row, where);
        std::string id = required_text(tag, "id", where, kMaxTagLength);
        std::string name = text_if(tag, "label").value_or(id);
        categories.push_back({std::move(id), std::move(name)});
    }
    return categories;
}

std::string parse_error_message(std::string_view body) {
    try {
        const json::value document = parse_json(body);
        const json::object* object = document.if_object();
        if (!object) return {};
        for (const char* name : {"error_description", "error", "errors"}) {
            if (std::string text = first_text(object->if_contains(name)); !text.empty()) return text;
        }
    } catch (const Error&) {
        // A refusal needs no JSON; the status alone says enough.
    }
    return {};
}

}  // namespace llmm::hubs::huggingface
