#include "integrations/hub_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::hubs {
namespace {

constexpr std::int64_t kMaxFileSize = std::int64_t{1} << 50;  // 1 PiB: beyond every disk
constexpr std::size_t kMaxTags = 500;
constexpr std::size_t kMaxTagLength = 256;

}  // namespace

void AnswerReader::bad(std::string_view where, Words what) const {
    throw Error(ErrorCode::hub_bad_response,
                Text{fmt::format("the answer of {} can't be used: {} {}", hub_.en, where, what.en),
                     fmt::format("无法使用{}的回答：{} {}", hub_.zh, where, what.zh)});
}

json::value AnswerReader::parse(std::string_view body) const {
    try {
        return parse_json(body);
    } catch (const Error& error) {
        const auto first = body.find_first_not_of(" \t\r\n");
        if (first != std::string_view::npos && body[first] == '<') {
            throw Error(
                ErrorCode::hub_bad_response,
                Text{fmt::format("a web page came instead of the data of {}: a network login page, a proxy, or {}",
                                 hub_.en, not_a_hub_.en),
                     fmt::format("收到的是网页而不是{}的数据：可能是网络登录页、代理，或{}", hub_.zh, not_a_hub_.zh)});
        }
        throw Error(ErrorCode::hub_bad_response,
                    Text{fmt::format("the answer of {} is not valid JSON: {}", hub_.en, error.message().en),
                         fmt::format("{}的回答不是有效的 JSON：{}", hub_.zh, error.message().zh)});
    }
}

const json::object& AnswerReader::object_of(const json::value& value, std::string_view where) const {
    if (!value.is_object()) bad(where, {"is not an object", "不是对象"});
    return value.get_object();
}

const json::array& AnswerReader::array_of(const json::value& value, std::string_view where) const {
    if (!value.is_array()) bad(where, {"is not a list", "不是列表"});
    return value.get_array();
}

const json::object& AnswerReader::object_at(const json::object& object, std::string_view name) const {
    const json::value* value = find(object, name);
    if (!value) bad(name, {"is missing", "缺失"});
    return object_of(*value, name);
}

const json::array& AnswerReader::array_at(const json::object& object, std::string_view name) const {
    const json::value* value = find(object, name);
    if (!value) bad(name, {"is missing", "缺失"});
    return array_of(*value, name);
}

std::string AnswerReader::text_at(const json::object& object, std::string_view name, std::string_view where,
                                  std::size_t max_length) const {
    const json::value* value = find(object, name);
    const std::string field = fmt::format("{}.{}", where, name);
    if (!value) bad(field, {"is missing", "缺失"});
    if (!value->is_string()) bad(field, {"is not a string", "不是字符串"});
    const json::string& text = value->get_string();
    if (text.empty()) bad(field, {"is empty", "为空"});
    if (text.size() > max_length) bad(field, {"is too long", "过长"});
    return std::string(text);
}

std::optional<std::uint64_t> AnswerReader::size_if(const json::object& object, std::string_view name,
                                                   std::string_view where) const {
    const json::value* value = find(object, name);
    if (!value) return std::nullopt;
    const std::string field = fmt::format("{}.{}", where, name);
    if (value->is_uint64()) bad(field, {"is impossibly large", "大得不可能"});  // used only beyond int64
    if (!value->is_int64()) bad(field, {"is not a whole number", "不是整数"});
    if (value->get_int64() < 0) bad(field, {"is negative", "为负数"});
    if (value->get_int64() > kMaxFileSize) bad(field, {"is impossibly large", "大得不可能"});
    return static_cast<std::uint64_t>(value->get_int64());
}

const json::value* find(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

std::optional<std::string> text_if(const json::object& object, std::string_view name, std::size_t max_length) {
    const json::value* value = find(object, name);
    if (!value || !value->is_string()) return std::nullopt;
    const json::string& text = value->get_string();
    return text.empty() || text.size() > max_length ? std::nullopt : std::optional(std::string(text));
}

std::optional<std::int64_t> count_if(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

std::vector<std::string> tags_of(const json::object& object) {
    const json::value* list = find(object, "tags");
    std::vector<std::string> tags;
    if (!list || !list->is_array()) return tags;
    for (const json::value& tag : list->get_array()) {
        if (!tag.is_string() || tag.get_string().size() > kMaxTagLength) continue;
        if (tags.size() == kMaxTags) break;
        tags.emplace_back(tag.get_string());
    }
    return tags;
}

bool flag(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    return value && ((value->is_bool() && value->get_bool()) || (value->is_int64() && value->get_int64() != 0));
}

}  // namespace llmm::hubs
