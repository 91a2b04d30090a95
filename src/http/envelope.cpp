#include "http/envelope.hpp"

#include "base/log/log.hpp"
#include "base/time/time.hpp"
#include "http/dialect.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::http {

namespace json = boost::json;

namespace {

const Text kDone{"ok", "操作成功"};
const Text kCreated{"created", "创建成功"};
const Text kAccepted{"accepted; work goes on in the background", "已接受，正在后台处理"};

const std::string& in(Language language, const Text& text) {
    return language == Language::zh ? text.zh : text.en;
}

HttpHeaders json_headers() {
    return {{"Content-Type", "application/json; charset=utf-8"}};
}

Response logged(const Request& request, const Error& error, Response response) {
    if (!error.log_note().empty()) {
        log::warning("request failed", {{"request_id", request.request_id},
                                        {"error", name_of(error.code())},
                                        {"message", error.message().en},
                                        {"note", error.log_note()}});
    }
    return response;
}

// FNV-1a, 64 bit: an entity tag needs equality, not secrecy.
std::uint64_t fingerprint(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

// The data is already text: it is serialised once, for the body and for the tag.
Response success(const Request& request, int status, const Text& message, std::string_view data,
                 std::string_view more = {}) {
    Response response;
    response.status = status;
    response.headers = json_headers();
    response.body = fmt::format(R"({{"success":true,"message":"{}","data":{},"code":{},"timestamp":"{}"{}}})",
                                in(request.language, message), data, status, to_rfc3339(now()), more);
    return response;
}

json::value detail_json(const Detail& detail, Language language) {
    return std::visit(
        [&](const auto& value) -> json::value {
            using Value = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<Value, Text>) {
                return json::value(in(language, value));
            } else if constexpr (std::is_same_v<Value, FieldProblem>) {
                const std::string& allowed = in(language, value.allowed);
                return json::object{{"problem", in(language, value.problem)},
                                    {"allowed", allowed.empty() ? json::value(nullptr) : json::value(allowed)}};
            } else {
                return json::value_from(value);
            }
        },
        detail.value);
}

}  // namespace

int retry_after(const Error& error) {
    constexpr int kRetryAfter = 5;  // seconds, where the error doesn't know better
    return error.retry_after() > 0 ? error.retry_after() : kRetryAfter;
}

int status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid:
            return 422;
        case ErrorKind::malformed:
            return 400;
        case ErrorKind::unsupported_media:
            return 415;
        case ErrorKind::too_large:
            return 413;
        case ErrorKind::headers_too_large:
            return 431;
        case ErrorKind::uri_too_long:
            return 414;
        case ErrorKind::method_not_allowed:
            return 405;
        case ErrorKind::upgrade_required:
            return 426;
        case ErrorKind::unauthenticated:
            return 401;
        case ErrorKind::forbidden:
            return 403;
        case ErrorKind::misdirected:
            return 421;
        case ErrorKind::not_found:
            return 404;
        case ErrorKind::conflict:
            return 409;
        case ErrorKind::rate_limited:
            return 429;
        case ErrorKind::storage_full:
            return 507;
        case ErrorKind::upstream_failed:
            return 502;
        case ErrorKind::upstream_timeout:
            return 504;
        case ErrorKind::unavailable:
            return 503;
        case ErrorKind::internal:
            return 500;
    }
    return 500;
}

Response ok(const Request& request, json::value data) {
    return success(request, 200, kDone, json::serialize(data));
}

Response created(const Request& request, json::value data, std::string location) {
    Response response = success(request, 201, kCreated, json::serialize(data));
    response.headers.push_back({"Location", std::move(location)});
    return response;
}

Response accepted(const Request& request, json::value data, std::string location) {
    Response response = success(request, 202, kAccepted, json::serialize(data));
    response.headers.push_back({"Location", std::move(location)});
    return response;
}

Response ok_tagged(const Request& request, json::value data, json::value details) {
    const std::string text = json::serialize(data);
    const std::string more = details.is_null() ? std::string() : ",\"details\":" + json::serialize(details);
    Response response = success(request, 200, kDone, text, more);
    response.etag = fmt::format("\"{:016x}\"", fingerprint(text));
    return response;
}

json::object error_json(const Error& error, Language language) {
    json::object details;
    for (const Detail& detail : error.details())
        details.emplace(detail.name, detail_json(detail, language));
    return {
        {"message", in(language, error.message())}, {"error", name_of(error.code())}, {"details", std::move(details)}};
}

Response error_response(const Request& request, const Error& error) {
    if (const auto dialect = dialect_of(request))
        return logged(request, error, dialect_error(request, error, *dialect));
    json::object body{{"success", false}};
    for (auto& member : error_json(error, request.language))
        body.insert(member);
    body.emplace("timestamp", to_rfc3339(now()));

    Response response;
    response.status = status_of(kind_of(error.code()));
    response.headers = json_headers();
    response.headers.push_back({"Cache-Control", "no-store"});
    if (response.status == 429 || response.status == 503) {
        response.headers.push_back({"Retry-After", std::to_string(retry_after(error))});
    }
    if (response.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"llm-manager\""});
    response.body = json::serialize(body);
    return logged(request, error, std::move(response));
}

Response error_response(const Request& request, std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error_response(request, error);
    } catch (const std::exception& error) {
        log::error("request failed unexpectedly", {{"request_id", request.request_id}, {"error", error.what()}});
        return error_response(request, Error(ErrorCode::internal,
                                             Text::format("an unexpected error; the log has it under request id {}",
                                                          "发生意外错误，日志中的请求编号为 {}", request.request_id)));
    }
}

json::value list_json(json::array items, const std::optional<std::string>& next_cursor) {
    json::object list{{"items", std::move(items)}};
    list.emplace("next_cursor", next_cursor ? json::value(*next_cursor) : json::value(nullptr));
    return list;
}

}  // namespace llmm::http
