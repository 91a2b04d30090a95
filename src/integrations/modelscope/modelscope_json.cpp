#include "integrations/modelscope/modelscope_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "integrations/huggingface/repo_id.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::hubs::modelscope {
namespace {

constexpr std::int64_t kMaxFileSize = std::int64_t{1} << 50;  // 1 PiB: beyond every disk
constexpr std::size_t kMaxPathLength = 4096, kMaxTagLength = 256, kMaxTags = 200;
constexpr std::size_t kMaxFiles = 200'000;

[[noreturn]] void bad(const std::string& where, std::string_view en, std::string_view zh) {
    throw Error(ErrorCode::hub_bad_response, Text{fmt::format("ModelScope's answer can't be used: {} {}", where, en),
                                                  fmt::format("无法使用 ModelScope 的回答：{} {}", where, zh)});
}

json::value parse(std::string_view body) {
    try {
        return parse_json(body);
    } catch (const Error& error) {
        const auto first = body.find_first_not_of(" \t\r\n");
        if (first != std::string_view::npos && body[first] == '<') {
            throw Error(ErrorCode::hub_bad_response,
                        {"a web page came instead of ModelScope's data: a network login page, a proxy, or a wrong "
                         "MODELSCOPE_ENDPOINT",
                         "收到的是网页而不是 ModelScope 的数据：可能是网络登录页、代理，或 MODELSCOPE_ENDPOINT 有误"});
        }
        throw Error(ErrorCode::hub_bad_response,
                    Text::format("ModelScope's answer is not valid JSON: {0}", "ModelScope 的回答不是有效的 JSON：{1}",
                                 error.message().en, error.message().zh));
    }
}

const json::value* find(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

const json::object& object_at(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_object()) bad(std::string(name), "is not an object", "不是对象");
    return value->get_object();
}

const json::array& array_at(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_array()) bad(std::string(name), "is not a list", "不是列表");
    return value->get_array();
}

const json::object& root_of(const json::value& document) {
    if (!document.is_object()) bad("answer", "is not an object", "不是对象");
    return document.get_object();
}

std::optional<std::string> text_if(const json::object& object, std::string_view name, std::size_t most = 1024) {
    const json::value* value = find(object, name);
    if (!value || !value->is_string() || value->get_string().empty() || value->get_string().size() > most)
        return std::nullopt;
    return std::string(value->get_string());
}

std::optional<std::int64_t> count_if(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

bool flag(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    return value && ((value->is_bool() && value->get_bool()) || (value->is_int64() && value->get_int64() != 0));
}

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
    if (const json::value* tags = find(model, "tags"); tags && tags->is_array()) {
        for (const json::value& tag : tags->get_array()) {
            if (!tag.is_string() || tag.get_string().size() > kMaxTagLength) continue;
            if (summary.tags.size() == kMaxTags) break;
            summary.tags.emplace_back(tag.get_string());
        }
    }
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
    if (!path) bad(where + ".Path", "is not a name", "不是文件名");
    RemoteFile file{.path = *path, .size = std::nullopt, .sha256 = std::nullopt, .git_sha1 = std::nullopt};
    if (const json::value* size = find(entry, "Size")) {
        if (size->is_uint64()) bad(where + ".Size", "is impossibly large", "大得不可能");
        if (!size->is_int64()) bad(where + ".Size", "is not a whole number", "不是整数");
        if (size->get_int64() < 0) bad(where + ".Size", "is negative", "为负数");
        if (size->get_int64() > kMaxFileSize) bad(where + ".Size", "is impossibly large", "大得不可能");
        file.size = static_cast<std::uint64_t>(size->get_int64());
    }
    if (const json::value* digest = find(entry, "Sha256")) {
        if (!digest->is_string()) bad(where + ".Sha256", "is not a text", "不是文本");
        const std::string_view text = digest->get_string();
        if (!text.empty()) {
            file.sha256 = text.starts_with("sha256:") ? std::nullopt : Sha256::parse(text);
            if (!file.sha256) bad(where + ".Sha256", "is not a SHA-256", "不是 SHA-256");
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
    const json::value document = parse(body);
    const json::object& data = object_at(root_of(document), "data");
    SearchResult result;
    result.total = count_if(data, "total_count").value_or(0);
    for (const json::value& row : array_at(data, "models")) {
        if (!row.is_object()) bad("models", "has a row that is not an object", "包含非对象的行");
        // Nobody could open a model whose name is refused everywhere else.
        if (auto summary = summary_of(row.get_object())) result.models.push_back(*std::move(summary));
    }
    return result;
}

ModelSummary parse_detail(std::string_view body) {
    const json::value document = parse(body);
    auto summary = summary_of(object_at(root_of(document), "data"));
    if (!summary) bad("data.id", "is not a repository name", "不是仓库名");
    return *std::move(summary);
}

FileList parse_files(std::string_view body) {
    const json::value document = parse(body);
    const json::array& rows = array_at(object_at(root_of(document), "Data"), "Files");
    if (rows.size() > kMaxFiles) bad("Files", "is too long", "过长");
    FileList list;
    std::int64_t newest = -1;
    std::size_t index = 0;
    for (const json::value& row : rows) {
        const std::string where = fmt::format("Files[{}]", index++);
        if (!row.is_object()) bad(where, "is not an object", "不是对象");
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
