#include "http/request.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json.hpp>

namespace llmm::http {
namespace {

constexpr std::pair<Method, std::string_view> kMethods[] = {
    {Method::get, "GET"},     {Method::head, "HEAD"},  {Method::post, "POST"},       {Method::put, "PUT"},
    {Method::patch, "PATCH"}, {Method::del, "DELETE"}, {Method::options, "OPTIONS"},
};

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_json_type(std::string_view content_type) {
    const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
    constexpr std::string_view kJson = "application/json";
    return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

std::string_view name_of(Method method) {
    for (const auto& [value, name] : kMethods) {
        if (value == method) return name;
    }
    return "GET";
}

std::optional<Method> parse_method(std::string_view text) {
    for (const auto& [value, name] : kMethods) {
        if (name == text) return value;
    }
    return std::nullopt;
}

std::string_view name_of(Permission permission) {
    switch (permission) {
        case Permission::open:
            return "public";
        case Permission::read:
            return "read";
        case Permission::write:
            return "write";
        case Permission::chat:
            return "chat";
        case Permission::admin:
            return "admin";
    }
    return "admin";
}

Language preferred_language(std::string_view accept_language) {
    double best_zh = -1, best_en = -1;
    while (!accept_language.empty()) {
        const auto comma = accept_language.find(',');
        std::string_view item = trim(accept_language.substr(0, comma));
        accept_language = comma == std::string_view::npos ? std::string_view{} : accept_language.substr(comma + 1);
        double weight = 1;
        if (const auto semicolon = item.find(';'); semicolon != std::string_view::npos) {
            const std::string_view parameter = trim(item.substr(semicolon + 1));
            if (parameter.starts_with("q=")) {
                std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), weight);
            }
            item = trim(item.substr(0, semicolon));
        }
        if (item == "zh" || item.starts_with("zh-")) best_zh = std::max(best_zh, weight);
        if (item == "en" || item.starts_with("en-")) best_en = std::max(best_en, weight);
    }
    return best_zh > 0 && best_zh > best_en ? Language::zh : Language::en;
}

const std::string& Request::parameter(std::string_view name) const {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    throw Error(ErrorCode::internal, Text{"internal error", "内部错误"})
        .with_log_note("the route has no parameter {" + std::string(name) + "}");
}

json::value Request::json() const {
    const auto type = header("Content-Type");
    if (!type || !is_json_type(*type)) {
        throw Error(ErrorCode::unsupported_media_type,
                    Text{"send the body as application/json", "请以 application/json 发送请求体"},
                    {{"accepted", std::string("application/json")}});
    }
    const auto encoding = header("Content-Encoding");
    if (encoding && *encoding != "identity") {
        throw Error(ErrorCode::unsupported_media_type, Text{"send the body without compression", "请勿压缩请求体"});
    }
    return parse_json(body);
}

json::value Request::json_or_empty_object() const {
    return body.empty() ? json::value(json::object{}) : json();
}

}  // namespace llmm::http
