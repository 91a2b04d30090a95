#include "integrations/huggingface/huggingface_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "base/log/log.hpp"
#include "integrations/hub_json.hpp"
#include "integrations/huggingface/repo_id.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::size_t kMaxTagLength = 256;
constexpr std::size_t kMaxCategories = 500;
constexpr std::string_view kFormats[] = {"gguf", "safetensors"};
constexpr AnswerReader kAnswer{{"the hub", "hub "},
                               {"an endpoint that is not a hub (HF_ENDPOINT)", " HF_ENDPOINT 指向的不是 hub"}};

// The two listings differ in three names: rfilename, blobId and lfs.sha256, or path, oid and lfs.oid.
struct FileFields {
    std::string_view path, git_sha1, sha256;
};
constexpr FileFields kSibling{"rfilename", "blobId", "sha256"};
constexpr FileFields kTreeEntry{"path", "oid", "oid"};

RemoteFile file_of(const json::object& entry, const FileFields& names, const std::string& where) {
    RemoteFile file{.path = kAnswer.text_at(entry, names.path, where, kMaxPathLength),
                    .size = kAnswer.size_if(entry, "size", where),
                    .sha256 = std::nullopt,
                    .git_sha1 = std::nullopt};
    if (const json::value* lfs = find(entry, "lfs")) {
        // The digest outside `lfs` is the pointer's, not the content's.
        const std::string inner = where + ".lfs";
        const json::object& fields = kAnswer.object_of(*lfs, inner);
        file.sha256 = Sha256::parse(kAnswer.text_at(fields, names.sha256, inner, 64));
        if (!file.sha256) kAnswer.bad(fmt::format("{}.{}", inner, names.sha256), {"is not a SHA-256", "不是 SHA-256"});
        if (const auto size = kAnswer.size_if(fields, "size", inner)) file.size = size;
        return file;
    }
    if (find(entry, names.git_sha1)) {
        file.git_sha1 = kAnswer.text_at(entry, names.git_sha1, where, 40);
        if (!is_git_sha1(*file.git_sha1))
            kAnswer.bad(fmt::format("{}.{}", where, names.git_sha1), {"is not a git SHA-1", "不是 git SHA-1"});
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
    summary.tags = tags_of(model);
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
    const json::value document = kAnswer.parse(body);
    std::vector<ModelSummary> models;
    for (const json::value& row : kAnswer.array_of(document, "models")) {
        const std::string where = fmt::format("models[{}]", models.size());
        const json::object& model = kAnswer.object_of(row, where);
        const std::string text = kAnswer.text_at(model, "id", where, kMaxPathLength);
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
    const json::value document = kAnswer.parse(body);
    const json::object& model = kAnswer.object_of(document, "model");
    const auto id = RepoId::parse(kAnswer.text_at(model, "id", "model", kMaxPathLength));
    if (!id) kAnswer.bad("model.id", {"is not a repository name", "不是仓库名"});
    ModelInfo info;
    info.summary = summary_of(model, *id);
    info.disabled = flag(model, "disabled");
    info.commit = kAnswer.text_at(model, "sha", "model", 40);
    if (!is_git_sha1(info.commit)) kAnswer.bad("model.sha", {"is not a commit", "不是提交号"});
    if (const json::value* siblings = find(model, "siblings")) {
        for (const json::value& sibling : kAnswer.array_of(*siblings, "siblings")) {
            const std::string where = fmt::format("siblings[{}]", info.files.size());
            info.files.push_back(file_of(kAnswer.object_of(sibling, where), kSibling, where));
        }
    }
    info.has_sizes = std::ranges::all_of(info.files, [](const RemoteFile& file) { return file.size.has_value(); });
    add_formats_of_files(info);
    return info;
}

std::vector<RemoteFile> parse_tree(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    std::vector<RemoteFile> files;
    std::size_t index = 0;
    for (const json::value& row : kAnswer.array_of(document, "tree")) {
        const std::string where = fmt::format("tree[{}]", index++);
        const json::object& entry = kAnswer.object_of(row, where);
        if (kAnswer.text_at(entry, "type", where, 32) == "file") files.push_back(file_of(entry, kTreeEntry, where));
    }
    return files;
}

std::vector<Category> parse_categories(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    const json::value* tags = find(kAnswer.object_of(document, "tags"), "pipeline_tag");
    std::vector<Category> categories;
    if (!tags) return categories;
    for (const json::value& row : kAnswer.array_of(*tags, "pipeline_tag")) {
        if (categories.size() == kMaxCategories) break;
        const std::string where = fmt::format("pipeline_tag[{}]", categories.size());
        const json::object& tag = kAnswer.object_of(row, where);
        std::string id = kAnswer.text_at(tag, "id", where, kMaxTagLength);
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
