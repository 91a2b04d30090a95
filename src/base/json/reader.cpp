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

bool fits(std::string_view text, ObjectReader::StringBounds bounds) {
    const std::size_t length = length_of(text);
    return length >= bounds.min_length && length <= bounds.max_length;
}

const Text kWrongType{"has the wrong type", "类型错误"};
const Text kOutOfRange{"is out of range", "超出范围"};
const Text kWrongLength{"is too short or too long", "过短或过长"};

Text describe(ObjectReader::StringBounds bounds) {
    return Text::format("a string of {} to {} characters", "{} 到 {} 个字符的字符串", bounds.min_length,
                        bounds.max_length);
}
template <class Number>
Text describe_range(std::string_view en, std::string_view zh, Number min, Number max) {
    return {fmt::format("{} from {} to {}", en, min, max), fmt::format("{} 到 {} 之间的{}", min, max, zh)};
}

}  // namespace

ObjectReader::ObjectReader(const json::value& value) : object_(value.if_object()) {
    if (!object_) add_problem("", kWrongType, Text{"an object", "对象"});
}

ObjectReader::~ObjectReader() {
    assert((finished_ || std::uncaught_exceptions() > 0) && "finish() was not called");
}

const json::value* ObjectReader::find(std::string_view name) {
    known_.emplace_back(name);
    if (!object_) return nullptr;
    const json::value* value = object_->if_contains(name);
    return value && value->is_null() ? nullptr : value;
}

bool ObjectReader::has(std::string_view name) const {
    return object_ && object_->contains(name);
}

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
        add_problem(name, kWrongType, describe(bounds));
        return std::nullopt;
    }
    const json::string& text = value->get_string();
    if (!fits(text, bounds)) {
        add_problem(name, kWrongLength, describe(bounds));
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
    const Text allowed = describe_range("an integer", "整数", bounds.min, bounds.max);
    if (!value->is_int64() && !too_big) {
        add_problem(name, kWrongType, allowed);
        return std::nullopt;
    }
    if (too_big || value->get_int64() < bounds.min || value->get_int64() > bounds.max) {
        add_problem(name, kOutOfRange, allowed);
        return std::nullopt;
    }
    return value->get_int64();
}

std::optional<double> ObjectReader::number(std::string_view name, NumberBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const Text allowed = describe_range("a number", "数字", bounds.min, bounds.max);
    if (!value->is_number()) {
        add_problem(name, kWrongType, allowed);
        return std::nullopt;
    }
    const double number = value->to_number<double>();
    if (!std::isfinite(number) || number < bounds.min || number > bounds.max) {
        add_problem(name, kOutOfRange, allowed);
        return std::nullopt;
    }
    return number;
}

std::optional<bool> ObjectReader::boolean(std::string_view name) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_bool()) {
        add_problem(name, kWrongType, Text{"true or false", "true 或 false"});
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
        add_problem(name, Text{"is none of the possible values", "不是可用的值"}, Text{list, list});
        return std::nullopt;
    }
    return std::string(*text);
}

std::optional<std::vector<std::string>> ObjectReader::strings(std::string_view name, ListBounds bounds) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const json::array* items = value->if_array();
    if (!items) {
        add_problem(name, kWrongType, Text{"a list of strings", "字符串列表"});
        return std::nullopt;
    }
    if (items->size() > bounds.max_items || items->size() < bounds.min_items) {
        add_problem(name, Text{"has too many or too few items", "项数过多或过少"},
                    Text::format("{} to {} items", "{} 到 {} 项", bounds.min_items, bounds.max_items));
        return std::nullopt;
    }
    std::vector<std::string> result;
    for (const json::value& item : *items) {
        if (!item.is_string()) {
            add_problem(fmt::format("{}.{}", name, result.size()), kWrongType, describe(bounds.item));
            return std::nullopt;
        }
        if (!fits(item.get_string(), bounds.item)) {
            add_problem(fmt::format("{}.{}", name, result.size()), kWrongLength, describe(bounds.item));
            return std::nullopt;
        }
        if (bounds.unique &&
            std::find(result.begin(), result.end(), std::string_view(item.get_string())) != result.end()) {
            add_problem(fmt::format("{}.{}", name, result.size()), Text{"is there twice", "重复出现"});
            return std::nullopt;
        }
        result.emplace_back(item.get_string());
    }
    return result;
}

std::optional<std::vector<std::int64_t>> ObjectReader::integers(std::string_view name, ListBounds bounds,
                                                                IntegerBounds item) {
    const json::value* value = find(name);
    if (!value) return std::nullopt;
    const json::array* items = value->if_array();
    if (!items) {
        add_problem(name, kWrongType, Text{"a list of whole numbers", "整数列表"});
        return std::nullopt;
    }
    if (items->size() > bounds.max_items || items->size() < bounds.min_items) {
        add_problem(name, Text{"has too many or too few items", "项数过多或过少"},
                    Text::format("{} to {} items", "{} 到 {} 项", bounds.min_items, bounds.max_items));
        return std::nullopt;
    }
    std::vector<std::int64_t> result;
    for (const json::value& one : *items) {
        const std::string place = fmt::format("{}.{}", name, result.size());
        const Text allowed = Text::format("{} to {}", "{} 到 {}", item.min, item.max);
        if (!one.is_int64()) {
            add_problem(place, kWrongType, allowed);
            return std::nullopt;
        }
        if (one.get_int64() < item.min || one.get_int64() > item.max) {
            add_problem(place, Text{"is out of range", "超出范围"}, allowed);
            return std::nullopt;
        }
        result.push_back(one.get_int64());
    }
    return result;
}

const json::value* ObjectReader::object(std::string_view name) {
    const json::value* value = find(name);
    if (!value) return nullptr;
    if (!value->is_object()) {
        add_problem(name, kWrongType, Text{"an object", "对象"});
        return nullptr;
    }
    return value;
}

std::vector<std::pair<std::size_t, const json::value*>> ObjectReader::objects(std::string_view name,
                                                                              std::size_t max_items) {
    std::vector<std::pair<std::size_t, const json::value*>> items;
    const json::value* value = find(name);
    if (!value) return items;
    if (!value->is_array()) {
        add_problem(name, kWrongType, Text{"a list", "列表"});
        return items;
    }
    const json::array& list = value->get_array();
    if (list.size() > max_items) {
        add_problem(name, Text{"has too many items", "项目过多"}, Text::format("at most {}", "最多 {} 项", max_items));
        return items;
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i].is_object()) {
            items.emplace_back(i, &list[i]);
        } else {
            add_problem(fmt::format("{}.{}", name, i), kWrongType, Text{"an object", "对象"});
        }
    }
    return items;
}

void ObjectReader::add_problem(std::string_view name, Text problem, Text allowed) {
    problems_.push_back({std::string(name), FieldProblem{std::move(problem), std::move(allowed)}});
}

void ObjectReader::collect_unknown() {
    if (!object_) return;
    for (const auto& member : *object_) {
        if (std::find(known_.begin(), known_.end(), std::string_view(member.key())) != known_.end()) continue;
        const std::string names = fmt::format("{}", fmt::join(known_, ", "));
        add_problem(member.key(), Text{"is not a known field", "不是已知字段"}, Text{names, names});
    }
}

void ObjectReader::absorb(std::string_view parent, ObjectReader& nested) {
    nested.collect_unknown();
    nested.finished_ = true;
    for (Detail& problem : nested.problems_) {
        problem.name = problem.name.empty() ? std::string(parent) : fmt::format("{}.{}", parent, problem.name);
        problems_.push_back(std::move(problem));
    }
    nested.problems_.clear();
}

void ObjectReader::finish() {
    finished_ = true;
    collect_unknown();
    if (problems_.empty()) return;
    std::string names;
    for (const Detail& problem : problems_)
        names += (names.empty() ? "" : ", ") + (problem.name.empty() ? "body" : problem.name);
    throw Error(ErrorCode::validation_failed,
                Text::format("the request is not valid; see details for: {}", "请求无效，详见 details：{}", names),
                std::move(problems_));
}

}  // namespace llmm
