#include "base/error/error.hpp"

#include <array>

namespace llmm {
namespace {

struct Row {
    ErrorCode code;
    std::string_view name;
    ErrorKind kind;
};

constexpr Row kRows[] = {
    {ErrorCode::validation_failed, "VALIDATION_FAILED", ErrorKind::invalid},
    {ErrorCode::malformed_json, "MALFORMED_JSON", ErrorKind::malformed},
    {ErrorCode::malformed_request, "MALFORMED_REQUEST", ErrorKind::malformed},
    {ErrorCode::unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE", ErrorKind::unsupported_media},
    {ErrorCode::payload_too_large, "PAYLOAD_TOO_LARGE", ErrorKind::too_large},
    {ErrorCode::headers_too_large, "HEADERS_TOO_LARGE", ErrorKind::headers_too_large},
    {ErrorCode::uri_too_long, "URI_TOO_LONG", ErrorKind::uri_too_long},
    {ErrorCode::method_not_allowed, "METHOD_NOT_ALLOWED", ErrorKind::method_not_allowed},
    {ErrorCode::unauthenticated, "UNAUTHENTICATED", ErrorKind::unauthenticated},
    {ErrorCode::forbidden, "FORBIDDEN", ErrorKind::forbidden},
    {ErrorCode::host_forbidden, "HOST_FORBIDDEN", ErrorKind::misdirected},
    {ErrorCode::not_found, "NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::model_not_found, "MODEL_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::download_not_found, "DOWNLOAD_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::deployment_not_found, "DEPLOYMENT_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::session_not_found, "SESSION_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::message_not_found, "MESSAGE_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::task_not_found, "TASK_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::conflict, "CONFLICT", ErrorKind::conflict},
    {ErrorCode::state_conflict, "STATE_CONFLICT", ErrorKind::conflict},
    {ErrorCode::name_taken, "NAME_TAKEN", ErrorKind::conflict},
    {ErrorCode::model_in_use, "MODEL_IN_USE", ErrorKind::conflict},
    {ErrorCode::model_not_ready, "MODEL_NOT_READY", ErrorKind::conflict},
    {ErrorCode::port_in_use, "PORT_IN_USE", ErrorKind::conflict},
    {ErrorCode::hub_unreachable, "HUB_UNREACHABLE", ErrorKind::upstream_failed},
    {ErrorCode::hub_rate_limited, "HUB_RATE_LIMITED", ErrorKind::unavailable},
    {ErrorCode::hub_repo_not_found, "HUB_REPO_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::hub_gated, "HUB_GATED", ErrorKind::forbidden},
    {ErrorCode::hub_disabled, "HUB_DISABLED", ErrorKind::forbidden},
    {ErrorCode::hub_token_rejected, "HUB_TOKEN_REJECTED", ErrorKind::forbidden},
    {ErrorCode::hub_revision_not_found, "HUB_REVISION_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::hub_file_not_found, "HUB_FILE_NOT_FOUND", ErrorKind::not_found},
    {ErrorCode::hub_bad_response, "HUB_BAD_RESPONSE", ErrorKind::upstream_failed},
    {ErrorCode::empty_repository, "EMPTY_REPOSITORY", ErrorKind::invalid},
    {ErrorCode::disk_full, "DISK_FULL", ErrorKind::storage_full},
    {ErrorCode::digest_mismatch, "DIGEST_MISMATCH", ErrorKind::upstream_failed},
    {ErrorCode::unsafe_file, "UNSAFE_FILE", ErrorKind::invalid},
    {ErrorCode::scan_unavailable, "SCAN_UNAVAILABLE", ErrorKind::unavailable},
    {ErrorCode::unsupported_format, "UNSUPPORTED_FORMAT", ErrorKind::invalid},
    {ErrorCode::url_forbidden, "URL_FORBIDDEN", ErrorKind::invalid},
    {ErrorCode::engine_unavailable, "ENGINE_UNAVAILABLE", ErrorKind::unavailable},
    {ErrorCode::engine_failed, "ENGINE_FAILED", ErrorKind::upstream_failed},
    {ErrorCode::engine_timeout, "ENGINE_TIMEOUT", ErrorKind::upstream_timeout},
    {ErrorCode::insufficient_memory, "INSUFFICIENT_MEMORY", ErrorKind::unavailable},
    {ErrorCode::context_exceeded, "CONTEXT_EXCEEDED", ErrorKind::invalid},
    {ErrorCode::rate_limited, "RATE_LIMITED", ErrorKind::rate_limited},
    {ErrorCode::overloaded, "OVERLOADED", ErrorKind::unavailable},
    {ErrorCode::shutting_down, "SHUTTING_DOWN", ErrorKind::unavailable},
    {ErrorCode::upgrade_required, "UPGRADE_REQUIRED", ErrorKind::upgrade_required},
    {ErrorCode::cancelled, "CANCELLED", ErrorKind::conflict},
    {ErrorCode::internal, "INTERNAL", ErrorKind::internal},
};

constexpr bool rows_follow_the_enum() {
    std::size_t index = 0;
    for (const Row& row : kRows) {
        if (static_cast<std::size_t>(row.code) != index++) return false;
    }
    return index == static_cast<std::size_t>(ErrorCode::internal) + 1;
}
static_assert(rows_follow_the_enum(), "kRows has one row for each code, in the order of the enum");

const Row& row_of(ErrorCode code) {
    return kRows[static_cast<std::size_t>(code)];
}

}  // namespace

std::string_view name_of(ErrorCode code) {
    return row_of(code).name;
}
ErrorKind kind_of(ErrorCode code) {
    return row_of(code).kind;
}

ErrorCode error_code_named(std::string_view name) {
    for (const Row& row : kRows) {
        if (row.name == name) return row.code;
    }
    return ErrorCode::internal;
}

std::string describe(std::exception_ptr error) {
    try {
        std::rethrow_exception(std::move(error));
    } catch (const Error& e) {
        if (e.log_note().empty()) return fmt::format("{}: {}", name_of(e.code()), e.message().en);
        return fmt::format("{}: {} ({})", name_of(e.code()), e.message().en, e.log_note());
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception of unknown type";
    }
}

}  // namespace llmm
