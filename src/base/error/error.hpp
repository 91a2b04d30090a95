#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

namespace llmm {

// Every failure that a client can be told. The wire name of each is in error.cpp; add a name there, the kind follows.
enum class ErrorCode {
    validation_failed,
    malformed_json,
    malformed_request,
    unsupported_media_type,
    payload_too_large,
    headers_too_large,
    uri_too_long,
    method_not_allowed,
    unauthenticated,
    forbidden,
    host_forbidden,
    not_found,
    model_not_found,
    download_not_found,
    deployment_not_found,
    session_not_found,
    message_not_found,
    task_not_found,
    conflict,
    state_conflict,
    name_taken,
    model_in_use,
    model_not_ready,
    port_in_use,
    hub_unreachable,
    hub_rate_limited,
    hub_repo_not_found,
    hub_gated,
    hub_disabled,
    hub_token_rejected,
    hub_revision_not_found,
    hub_file_not_found,
    hub_bad_response,
    empty_repository,
    disk_full,
    digest_mismatch,
    unsafe_file,
    scan_unavailable,
    unsupported_format,
    url_forbidden,
    engine_unavailable,
    engine_failed,
    engine_timeout,
    insufficient_memory,
    context_exceeded,
    rate_limited,
    overloaded,
    shutting_down,
    upgrade_required,
    cancelled,
    internal,
};

// What a code means for the caller; http/ turns this, and nothing else, into a status.
enum class ErrorKind {
    invalid,
    malformed,
    unsupported_media,
    too_large,
    headers_too_large,
    uri_too_long,
    method_not_allowed,
    upgrade_required,
    unauthenticated,
    forbidden,
    misdirected,
    not_found,
    conflict,
    rate_limited,
    storage_full,
    upstream_failed,
    upstream_timeout,
    unavailable,
    internal,
};

std::string_view name_of(ErrorCode code);  // "MODEL_NOT_FOUND"
ErrorKind kind_of(ErrorCode code);
// The code with this wire name; internal for an unknown one (a row written by a newer version).
ErrorCode error_code_named(std::string_view name);

// One sentence in both languages of the product.
struct Text {
    std::string en;
    std::string zh;

    template <class... Args>
    static Text format(fmt::format_string<const Args&...> en, fmt::format_string<const Args&...> zh,
                       const Args&... args) {
        return {fmt::format(en, args...), fmt::format(zh, args...)};
    }
    friend bool operator==(const Text&, const Text&) = default;
};

// What is wrong with a field and, where there is something to choose from, what would be accepted.
struct FieldProblem {
    Text problem;
    Text allowed = {};
};

// A named fact beside an error: a field and its problem, a state, a number.
struct Detail {
    std::string name;
    std::variant<std::string, Text, FieldProblem, std::int64_t, bool, std::vector<std::string>> value;
};
using Details = std::vector<Detail>;

// The one exception of the project. The message and details are shown to clients: no path, SQL or secret in them;
// what only operators may see goes to log_note().
class Error : public std::exception {
  public:
    Error(ErrorCode code, Text message, Details details = {})
        : code_(code), message_(std::move(message)), details_(std::move(details)) {}

    ErrorCode code() const { return code_; }
    const Text& message() const { return message_; }
    const Details& details() const { return details_; }
    const std::string& log_note() const { return log_note_; }
    // Seconds after which a retry makes sense; 0 when unknown.
    int retry_after() const { return retry_after_; }

    Error with_log_note(std::string note) && {
        log_note_ = std::move(note);
        return std::move(*this);
    }
    Error with_retry_after(int seconds) && {
        retry_after_ = seconds;
        return std::move(*this);
    }

    const char* what() const noexcept override { return message_.en.c_str(); }

  private:
    ErrorCode code_;
    Text message_;
    Details details_;
    std::string log_note_;
    int retry_after_ = 0;
};

// Throws Error with a message formatted in both languages.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<const Args&...> en, fmt::format_string<const Args&...> zh,
                       const Args&... args) {
    throw Error(code, Text::format<Args...>(en, zh, args...));
}

// For places that only report: the English text of whatever is in flight.
std::string describe(std::exception_ptr error);

}  // namespace llmm
