#include "http/dialect.hpp"

#include "http/envelope.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace llmm::http {

namespace json = boost::json;

namespace {

constexpr int kAnthropicOverloaded = 529;

bool is_below(std::string_view path, std::string_view root) {
    return path.starts_with(root) &&
           (path.size() == root.size() || path[root.size()] == '/' || path[root.size()] == '?');
}

// What is wrong with the first bad field, which neither dialect has a place for.
std::string message_of(const Error& error, Language language) {
    const auto in = [language](const Text& text) { return language == Language::zh ? text.zh : text.en; };
    std::string message = in(error.message());
    for (const Detail& detail : error.details()) {
        const auto* problem = std::get_if<FieldProblem>(&detail.value);
        if (!problem) continue;
        message += ": " + detail.name + " " + in(problem->problem);
        if (const std::string allowed = in(problem->allowed); !allowed.empty()) message += " (" + allowed + ")";
        break;
    }
    return message;
}

std::optional<std::string> bad_field(const Error& error) {
    for (const Detail& detail : error.details()) {
        if (std::holds_alternative<FieldProblem>(detail.value)) return detail.name;
    }
    return std::nullopt;
}

// platform.openai.com/docs/guides/error-codes, and the codes that its client libraries compare with.
std::string openai_code(ErrorCode code) {
    switch (code) {
        case ErrorCode::unauthenticated:
            return "invalid_api_key";
        case ErrorCode::model_not_found:
        case ErrorCode::deployment_not_found:
            return "model_not_found";
        case ErrorCode::context_exceeded:
            return "context_length_exceeded";
        case ErrorCode::rate_limited:
        case ErrorCode::overloaded:
            return "rate_limit_exceeded";
        default: {
            std::string name(name_of(code));
            std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
            return name;
        }
    }
}

std::string_view openai_type(int status) {
    if (status == 429) return "rate_limit_error";
    if (status == 503) return "service_unavailable_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

// docs.anthropic.com/en/api/errors
std::string_view anthropic_type(int status) {
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 404:
            return "not_found_error";
        case 413:
            return "request_too_large";
        case 429:
            return "rate_limit_error";
        case 504:
            return "timeout_error";
        case kAnthropicOverloaded:
            return "overloaded_error";
        default:
            return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

}  // namespace

std::optional<Dialect> dialect_of(const Request& request) {
    // A target that could not be read is nobody's, but for one that only its framing or headers make bad.
    const bool unread = request.path.empty();
    if (unread && request.target.find('%') != std::string::npos) return std::nullopt;
    const std::string_view path = unread ? request.target : request.path;
    if (is_below(path, "/v1/messages")) return Dialect::anthropic;
    if (is_below(path, "/v1")) return Dialect::openai;
    if (is_below(path, "/api") && !is_below(path, "/api/v1")) return Dialect::ollama;
    return std::nullopt;
}

int status_of(const Error& error, Dialect dialect) {
    const int status = status_of(kind_of(error.code()));
    if (status == 422) return 400;
    if (status == 503 && dialect == Dialect::anthropic) return kAnthropicOverloaded;
    return status;
}

std::string error_body(const Request& request, const Error& error, Dialect dialect) {
    const int status = status_of(error, dialect);
    const std::string message = message_of(error, request.language);
    switch (dialect) {
        case Dialect::openai: {
            const auto field = bad_field(error);
            return json::serialize(json::object{{"error",
                                                 {{"message", message},
                                                  {"type", openai_type(status)},
                                                  {"param", field ? json::value(*field) : json::value(nullptr)},
                                                  {"code", openai_code(error.code())}}}});
        }
        case Dialect::anthropic:
            return json::serialize(json::object{{"type", "error"},
                                                {"error", {{"type", anthropic_type(status)}, {"message", message}}},
                                                {"request_id", request.request_id}});
        case Dialect::ollama:
            return json::serialize(json::object{{"error", message}});
    }
    return {};
}

Response dialect_error(const Request& request, const Error& error, Dialect dialect) {
    Response response;
    response.status = status_of(error, dialect);
    response.headers = {{"Content-Type", "application/json; charset=utf-8"}, {"Cache-Control", "no-store"}};
    if (response.status == 429 || response.status == 503 || response.status == kAnthropicOverloaded) {
        response.headers.push_back({"Retry-After", std::to_string(retry_after(error))});
    }
    if (response.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"llm-manager\""});
    response.body = error_body(request, error, dialect);
    return response;
}

}  // namespace llmm::http
