#include "base/json/json.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

namespace llmm {
namespace {

using boost::system::error_code;

// Builds a value from the parser's events and remembers the keys of each open object.
struct UniqueKeyHandler {
    static constexpr std::size_t max_object_size = 100'000;
    static constexpr std::size_t max_array_size = 1'000'000;
    static constexpr std::size_t max_key_size = 1024;
    static constexpr std::size_t max_string_size = 64 * 1024 * 1024;

    json::value_stack stack;
    std::vector<std::vector<std::string>> keys;
    std::string partial;  // a string or key that comes in parts
    std::string duplicate;

    bool on_document_begin(error_code&) {
        stack.reset();
        return true;
    }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) {
        keys.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t size, error_code&) {
        std::vector<std::string>& names = keys.back();
        std::sort(names.begin(), names.end());
        const auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end() && duplicate.empty()) duplicate = *twice;
        keys.pop_back();
        stack.push_object(size);
        return true;
    }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t size, error_code&) {
        stack.push_array(size);
        return true;
    }
    bool on_key_part(json::string_view text, std::size_t, error_code&) {
        partial.append(text);
        return true;
    }
    bool on_key(json::string_view text, std::size_t, error_code&) {
        partial.append(text);
        stack.push_key(partial);
        keys.back().push_back(std::move(partial));
        partial.clear();
        return true;
    }
    bool on_string_part(json::string_view text, std::size_t, error_code&) {
        partial.append(text);
        return true;
    }
    bool on_string(json::string_view text, std::size_t, error_code&) {
        partial.append(text);
        stack.push_string(partial);
        partial.clear();
        return true;
    }
    bool on_number_part(json::string_view, error_code&) { return true; }
    bool on_int64(std::int64_t number, json::string_view, error_code&) {
        stack.push_int64(number);
        return true;
    }
    bool on_uint64(std::uint64_t number, json::string_view, error_code&) {
        stack.push_uint64(number);
        return true;
    }
    bool on_double(double number, json::string_view, error_code& ec) {
        // Beyond what a double holds the parser answers infinity, which JSON has no way to write again.
        if (!std::isfinite(number)) {
            ec = json::error::exponent_overflow;
            return false;
        }
        stack.push_double(number);
        return true;
    }
    bool on_bool(bool flag, error_code&) {
        stack.push_bool(flag);
        return true;
    }
    bool on_null(error_code&) {
        stack.push_null();
        return true;
    }
    bool on_comment_part(json::string_view, error_code&) { return true; }
    bool on_comment(json::string_view, error_code&) { return true; }
};

}  // namespace

json::value parse_json(std::string_view text) {
    json::parse_options options;
    options.max_depth = kMaxJsonDepth;
    json::basic_parser<UniqueKeyHandler> parser(options);
    error_code error;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (!error && used < text.size()) error = json::error::extra_data;
    if (error == json::error::extra_data && text.find_first_not_of(" \t\r\n", used) == std::string_view::npos)
        error = {};
    if (error) {
        throw Error(ErrorCode::malformed_json,
                    Text::format("the body is not valid JSON: {} at byte {}",
                                 "请求体不是有效的 JSON：{}，位于第 {} 字节", error.message(), used));
    }
    if (!parser.handler().duplicate.empty()) {
        const std::string& key = parser.handler().duplicate;
        throw Error(ErrorCode::validation_failed,
                    Text::format("the key \"{}\" appears twice in one object", "同一对象中键 \"{}\" 出现了两次", key),
                    {{key, FieldProblem{Text{"appears twice", "重复出现"}}}});
    }
    return parser.handler().stack.release();
}

json::value parse_own_json(std::string_view text) {
    error_code error;
    json::value value = json::parse(text, error);
    if (error) {
        throw Error(ErrorCode::internal, Text{"a stored value can't be read", "无法读取存储的值"})
            .with_log_note("stored JSON: " + error.message());
    }
    return value;
}

}  // namespace llmm
