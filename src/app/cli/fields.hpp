#pragma once
#include "base/json/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

// Reading what the service answers. A field that is missing, null or of another type is the same: not known.
namespace llmm::app::cli {

inline std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

inline std::optional<double> number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

inline std::optional<std::int64_t> count_of(const json::object& object, std::string_view key) {
    const auto number = number_of(object, key);
    return number ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
}

inline std::optional<bool> flag_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_bool() ? std::optional(value->get_bool()) : std::nullopt;
}

inline json::object object_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_object() ? value->get_object() : json::object();
}

inline json::array array_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_array() ? value->get_array() : json::array();
}

}  // namespace llmm::app::cli
