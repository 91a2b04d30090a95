#pragma once
#include "base/net/http_client.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm::http {

enum class Method { get, head, post, put, patch, del, options };
std::string_view name_of(Method method);
std::optional<Method> parse_method(std::string_view text);

enum class Language { en, zh };
// From an Accept-Language value: Chinese when it is preferred to English.
Language preferred_language(std::string_view accept_language);

// What a route asks of its caller; api/openapi.yaml repeats it as x-permission.
enum class Permission { open, read, write, chat, admin };
std::string_view name_of(Permission permission);

// Who is calling.
struct Principal {
    std::string name;
};

// One request, complete and checked: nothing in here comes from the wire unparsed but the header values and the body.
struct Request {
    Method method = Method::get;
    std::string target;                                           // as sent
    std::string path;                                             // percent-decoded, starts with "/"
    std::vector<std::pair<std::string, std::string>> query;       // decoded, in order
    std::vector<std::pair<std::string, std::string>> parameters;  // {name} parts of the route's path
    HttpHeaders headers;
    std::string body;
    std::string request_id;
    std::string remote;  // numeric address of the peer
    Language language = Language::en;
    std::optional<Principal> principal;

    std::optional<std::string_view> header(std::string_view name) const { return find_header(headers, name); }
    const std::string& parameter(std::string_view name) const;
    // The body as JSON. Throws UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON or VALIDATION_FAILED (duplicate keys).
    boost::json::value json() const;
    // For routes whose body may be left out.
    boost::json::value json_or_empty_object() const;
};

}  // namespace llmm::http
