#include "integrations/modelscope/modelscope_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "integrations/hub_json.hpp"
#include "integrations/huggingface/repo_id.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::hubs::modelscope {
namespace {

constexpr std::size_t kMaxFiles = 200'000;
constexpr AnswerReader kAnswer{{"ModelScope", " ModelScope "},
                               {"a wrong MODELSCOPE_ENDPOINT", " MODELSCOPE_ENDPOINT 有误"}};

// "library:gguf", "license:apache-2.0", "task:text-generation": a kind and its value.
std::optional<std::string> tag_value(const std::vector<std::string>& tags, std::string_view kind) {
    for (const std::string& tag : tags) {
        if (tag.size() > kind.size() + 1 && tag.starts_with(kind) && tag[kind.size()] == ':')
            return tag.substr(kind.size() + 1);
    }
    return std::nullopt;
}

std::optional<TimePoint> time_if(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value) return std::nullopt;
    if (value->is_string()) return parse_rfc3339(std::string_view(value->get_string()));
    constexpr std::int64_t kMaxEpoch = 253'402'300'799;  // the end of year 9999
    if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > kMaxEpoch) return std::nullopt;
    return from_epoch_ms(value->get_int64() * 1000);
}

std::optional<ModelSummary> summary_of(const json::object& model) {
    const auto id = text_if(model, "id");
    if (!id || !is_repo(*id)) return std::nullopt;
    ModelSummary summary;
    summary.repo = *id;
    const auto slash = id->find('/');
    summary.author = id->substr(0, slash);
    summary.name = id->substr(slash + 1);
    summary.description = text_if(model, "description", 10'000);
    summary.downloads = count_if(model, "downloads");
    summary.likes = count_if(model, "likes");
    summary.tags = tags_of(model);
    summary.license = text_if(model, "license", 128);
    if (!summary.license) summary.license = tag_value(summary.tags, "license");
    summary.category = tag_value(summary.tags, "task");
    summary.gated = flag(model, "gated");
    summary.is_private = flag(model, "private");
    for (const std::string_view format : {"gguf", "safetensors"}) {
        const bool named = std::ranges::any_of(summary.tags, [&](const std::string& tag) {
            return tag == format || tag == fmt::format("library:{}", format);
        });
        if (named) summary.formats.emplace_back(format);
    }
    for (const char* name : {"last_modified", "updated_at", "last_updated_time"}) {
        if (!summary.updated_at) summary.updated_at = time_if(model, name);
    }
    return summary;
}

RemoteFile file_of(const json::object& entry, const std::string& where) {
    const auto path = text_if(entry, "Path", kMaxPathLength);
    if (!path) kAnswer.bad(where + ".Path", {"is not a name", "不是文件名"});
    RemoteFile file{
        .path = *path, .size = kAnswer.size_if(entry, "Size", where), .sha256 = std::nullopt, .git_sha1 = std::nullopt};
    if (const json::value* digest = find(entry, "Sha256")) {
        if (!digest->is_string()) kAnswer.bad(where + ".Sha256", {"is not a text", "不是文本"});
        const std::string_view text = digest->get_string();
        if (!text.empty()) {
            file.sha256 = text.starts_with("sha256:") ? std::nullopt : Sha256::parse(text);
            if (!file.sha256) kAnswer.bad(where + ".Sha256", {"is not a SHA-256", "不是 SHA-256"});
        }
    }
    return file;
}

}  // namespace

bool is_repo(std::string_view text) {
    const auto is_part = [](std::string_view part) {
        return !part.empty() && part.size() <= 96 && part.front() != '.' && part.front() != '-' && part.back() != '.' &&
               !part.contains("..") && std::ranges::all_of(part, [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                          c == '_' || c == '-';
               });
    };
    const auto slash = text.find('/');
    return slash != std::string_view::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

SearchResult parse_search(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    const json::object& data = kAnswer.object_at(kAnswer.object_of(document, "answer"), "data");
    SearchResult result;
    result.total = count_if(data, "total_count").value_or(0);
    for (const json::value& row : kAnswer.array_at(data, "models")) {
        if (!row.is_object()) kAnswer.bad("models", {"has a row that is not an object", "包含非对象的行"});
        // Nobody could open a model whose name is refused everywhere else.
        if (auto summary = summary_of(row.get_object())) result.models.push_back(*std::move(summary));
    }
    return result;
}

ModelSummary parse_detail(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    auto summary = summary_of(kAnswer.object_at(kAnswer.object_of(document, "answer"), "data"));
    if (!summary) kAnswer.bad("data.id", {"is not a repository name", "不是仓库名"});
    return *std::move(summary);
}

FileList parse_files(std::string_view body) {
    const json::value document = kAnswer.parse(body);
    const json::array& rows =
        kAnswer.array_at(kAnswer.object_at(kAnswer.object_of(document, "answer"), "Data"), "Files");
    if (rows.size() > kMaxFiles) kAnswer.bad("Files", {"is too long", "过长"});
    FileList list;
    std::int64_t newest = -1;
    std::size_t index = 0;
    for (const json::value& row : rows) {
        const std::string where = fmt::format("Files[{}]", index++);
        if (!row.is_object()) kAnswer.bad(where, {"is not an object", "不是对象"});
        const json::object& entry = row.get_object();
        if (text_if(entry, "Type").value_or("blob") != "blob") continue;
        list.files.push_back(file_of(entry, where));
        const auto date = count_if(entry, "CommittedDate").value_or(0);
        const auto commit = text_if(entry, "Revision", 40);
        if (date > newest && commit && huggingface::is_git_sha1(*commit)) {
            newest = date;
            list.commit = *commit;
        }
    }
    return list;
}

std::optional<Refusal> parse_refusal(std::string_view body) {
    try {
        const json::value document = parse_json(body);
        const json::object* object = document.if_object();
        if (!object) return std::nullopt;
        Refusal refusal{.code = count_if(*object, "Code").value_or(200), .message = {}};
        const json::value* success = object->if_contains("Success");
        if (!success) success = object->if_contains("success");
        const bool refused = (success && success->is_bool() && !success->get_bool()) || refusal.code != 200;
        if (!refused) return std::nullopt;
        refusal.message = text_if(*object, "Message").value_or(text_if(*object, "message").value_or(""));
        return refusal;
    } catch (const Error&) {
        return std::nullopt;  // a refusal needs no JSON; the status alone says enough
    }
}

}  // namespace llmm::hubs::modelscope
