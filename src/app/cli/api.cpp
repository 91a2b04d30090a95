#include "app/cli/api.hpp"

#include "app/cli/fields.hpp"
#include "base/net/url.hpp"

#include <algorithm>

namespace llmm::app::cli {
namespace {

constexpr std::size_t kLargestPage = 200;

json::object as_object(json::value value) {
    return value.is_object() ? std::move(value.get_object()) : json::object();
}

}  // namespace

std::string api_path(const std::vector<std::string>& segments, const Query& query) {
    std::string path = "/api/v1";
    for (const std::string& segment : segments)
        path += "/" + percent_encode(segment);
    char separator = '?';
    for (const auto& [name, value] : query) {
        if (value.empty()) continue;
        path += separator;
        path += std::string(name) + "=" + percent_encode(value);
        separator = '&';
    }
    return path;
}

json::object get(Api& api, const std::vector<std::string>& segments, const Query& query) {
    return as_object(api.send({.path = api_path(segments, query)}));
}

json::object post(Api& api, const std::vector<std::string>& segments, std::optional<json::object> body) {
    return as_object(api.send({.method = "POST", .path = api_path(segments), .body = std::move(body)}));
}

json::object remove(Api& api, const std::vector<std::string>& segments) {
    return as_object(api.send({.method = "DELETE", .path = api_path(segments), .waits_long = true}));
}

std::vector<json::object> list(Api& api, const std::vector<std::string>& segments, Query query, std::size_t most) {
    std::vector<json::object> items;
    const auto has_enough = [&] { return most > 0 && items.size() >= most; };
    query.emplace_back("limit", std::to_string(most == 0 ? kLargestPage : std::min(most, kLargestPage)));
    query.emplace_back("cursor", "");
    do {
        const json::object page = get(api, segments, query);
        for (const json::value& item : array_of(page, "items")) {
            if (item.is_object() && !has_enough()) items.push_back(item.get_object());
        }
        query.back().second = text_of(page, "next_cursor");
    } while (!query.back().second.empty() && !has_enough());
    return items;
}

}  // namespace llmm::app::cli
