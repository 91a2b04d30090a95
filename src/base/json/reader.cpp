#include "base/json/reader.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm {
namespace {

namespace json = boost::json;

// Code points; the parser has already checked that the text is UTF-8.
std::size_t length_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::optional<Text> check(std::string_view text, ObjectReader::StringBounds bounds) {
    const std::size_t length = length_of(text);
    if (length >= bounds.min_length && length <= bounds.max_length) return std::nullopt;
    return Text::format("must have {} to {} characters, has {}", "长度必须在 {} 到 {} 个字符之间，现在是 {}",
                        bounds.min_length, bounds.max_length, length);
}

Text wrong_type(std::string_view en, std::string_view zh) { return Text::format("must be {0}", "必须是{1}", en, zh); }

}  // namespace

ObjectReader::ObjectReader(const json::value& value) : object_(value.if_object()) {
    if (!object_) add_problem("body", wrong_type("an object", "对象"));
}

ObjectReader::~ObjectReader() { assert((finished_ || std::uncaught_exceptions() > 0) && "finish() was not called"); }

const json::value* ObjectReader::find(std::string_view name) {
    known_.emplace_back(name);
    if (!object_) return nullptr;
    const json::value* value = object_->if_contains(name);
    return value && value->is_null() ? nullptr : value;
}

bool ObjectReader::has(std::string_view name) const { return object_ && object_->contains(name); }

bool ObjectReader::is_null(std::string_view name) const {
    const json::value* value = object_ ? object_->if_contains(name) : nullptr;
    return value && value->is_null();
}

void ObjectReader::require(std::string_view name) {
    if (!has(name) || is_null(name)) add_problem(name, Text{"is required", "为必填项"});
}

std::optional<std::string> ObjectReader::string(std::string_view name, StringBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_string()) {
        add_problem(name, wrong_type("a string", "字符串"));
        return std::nullopt;
    }
    const json::string& text = value->get_string();
    if (auto problem = check(text, bounds)) {
        add_problem(name, std::move(*problem));
        return std::nullopt;
    }
    return std::string(text);
}

std::string ObjectReader::required_string(std::string_view name, StringBounds bounds) {
    require(name);
    return string(name, bounds).value_or("");
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view name, IntegerBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const bool too_big = value->is_uint64();  // the parser uses it only beyond int64
    if (!value->is_int64() && !too_big) {
        add_problem(name, wrong_type("an integer", "整数"));
        return std::nullopt;
    }
    if (too_big || value->get_int64() < bounds.min || value->get_int64() > bounds.max) {
        add_problem(name, Text::format("must be between {} and {}", "必须在 {} 到 {} 之间", bounds.min, bounds.max));
        return std::nullopt;
    }
    return value->get_int64();
}

std::optional<double> ObjectReader::number(std::string_view name, NumberBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_number()) {
        add_problem(name, wrong_type("a number", "数字"));
        return std::nullopt;
    }
    const double number = value->to_number<double>();
    if (!std::isfinite(number) || number < bounds.min || number > bounds.max) {
        add_problem(name, Text::format("must be between {} and {}", "必须在 {} 到 {} 之间", bounds.min, bounds.max));
        return std::nullopt;
    }
    return number;
}

std::optional<bool> ObjectReader::boolean(std::string_view name) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_bool()) {
        add_problem(name, wrong_type("true or false", " true 或 false"));
        return std::nullopt;
    }
    return value->get_bool();
}

std::optional<std::string> ObjectReader::choice(std::string_view name, std::span<const std::string_view> allowed) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const json::string* text = value->if_string();
    if (!text || std::find(allowed.begin(), allowed.end(), std::string_view(*text)) == allowed.end()) {
        const std::string list = fmt::format("{}", fmt::join(allowed, ", "));
        add_problem(name, Text::format("must be one of: {}", "必须是以下之一：{}", list));
        return std::nullopt;
    }
    return std::string(*text);
}

std::optional<std::vector<std::string>> ObjectReader::strings(std::string_view name, ListBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const json::array* items = value->if_array();
    if (!items || !std::all_of(items->begin(), items->end(), [](const json::value& item) { return item.is_string(); })) {
        add_problem(name, wrong_type("a list of strings", "字符串列表"));
        return std::nullopt;
    }
    if (items->size() > bounds.max_items) {
        add_problem(name, Text::format("must have at most {} items", "最多 {} 项", bounds.max_items));
        return std::nullopt;
    }
    std::vector<std::string> result;
    for (const json::value& item : *items) {
        if (auto problem = check(item.get_string(), bounds.item)) {
            add_problem(name, std::move(*problem));
            return std::nullopt;
        }
        result.emplace_back(item.get_string());
    }
    return result;
}

const json::value* ObjectReader::object(std::string_view name) {
    const json::value* value = find(name);
    if (!value) return nullptr;
    if (!value->is_object()) {
        add_problem(name, wrong_type("an object", "对象"));
        return nullptr;
    }
    return value;
}

void ObjectReader::add_problem(std::string_view name, Text problem) {
    problems_.push_back({std::string(name), std::move(problem)});
}

void ObjectReader::collect_unknown() {
    if (!object_) return;
    for (const auto& member : *object_) {
        if (std::find(known_.begin(), known_.end(), std::string_view(member.key())) != known_.end()) continue;
        add_problem(member.key(), Text::format("is not a known field; known are: {}", "不是已知字段；已知字段：{}",
                                               fmt::format("{}", fmt::join(known_, ", "))));
    }
}

void ObjectReader::absorb(std::string_view parent, ObjectReader& nested) {
    nested.collect_unknown();
    nested.finished_ = true;
    for (Detail& problem : nested.problems_) {
        problem.name = fmt::format("{}.{}", parent, problem.name);
        problems_.push_back(std::move(problem));
    }
    nested.problems_.clear();
}

void ObjectReader::finish() {
    finished_ = true;
    collect_unknown();
    if (problems_.empty()) return;
    std::string names;
    for (const Detail& problem : problems_) names += (names.empty() ? "" : ", ") + problem.name;
    throw Error(ErrorCode::validation_failed,
                Text::format("the request is not valid; see details for: {}", "请求无效，详见 details：{}", names),
                std::move(problems_));
}

}  // namespace llmm
