#include "storage/failure.hpp"

#include "storage/database.hpp"

#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace llmm::storage {
namespace {

constexpr std::string_view kConstraint = "constraint";

// Extended result codes of SQLite; connections ask for them when they open.
Failure classify_sqlite(int result) {
    switch (result) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return Failure::unique_violation;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return Failure::foreign_key_violation;
        default:
            break;
    }
    switch (result & 0xff) {  // the primary code
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Failure::busy;
        case SQLITE_FULL:
            return Failure::disk_full;
        case SQLITE_CANTOPEN:
            return Failure::connection_lost;
        default:
            return Failure::other;
    }
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
Failure classify_postgresql(std::string_view state) {
    if (state == "23505") return Failure::unique_violation;
    if (state == "23503") return Failure::foreign_key_violation;
    if (state == "40001" || state == "40P01") return Failure::serialization;
    if (state == "55P03" || state == "57014") return Failure::busy;
    if (state == "53100") return Failure::disk_full;
    // Connection exceptions; terminated, crashed, starting up; too many connections.
    if (state.starts_with("08") || state.starts_with("57P0") || state == "53300") return Failure::connection_lost;
    return Failure::other;
}

Error refused(std::string kind) {
    return Error(ErrorCode::conflict, {"this conflicts with what is already stored", "与已存储的数据冲突"},
                 {{std::string(kConstraint), std::move(kind)}});
}

bool has_constraint(const Error& error, std::string_view kind) {
    if (error.code() != ErrorCode::conflict) return false;
    for (const Detail& detail : error.details()) {
        const auto* value = std::get_if<std::string>(&detail.value);
        if (detail.name == kConstraint && value && *value == kind) return true;
    }
    return false;
}

}  // namespace

Failure classify(const soci::soci_error& error) {
    if (const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error))
        return classify_sqlite(sqlite->result());
    if (const auto* postgresql = dynamic_cast<const soci::postgresql_soci_error*>(&error)) {
        return classify_postgresql(postgresql->sqlstate());
    }
    return Failure::other;
}

Error to_error(Failure failure, const soci::soci_error& error) {
    // Not what(): SOCI adds the parameters' values there.
    std::string note = error.get_error_message();
    while (!note.empty() && note.back() == '\n')
        note.pop_back();
    switch (failure) {
        case Failure::unique_violation:
            return refused("unique").with_log_note(std::move(note));
        case Failure::foreign_key_violation:
            return refused("foreign_key").with_log_note(std::move(note));
        case Failure::disk_full:
            return Error(ErrorCode::disk_full, {"the database's disk is full", "数据库所在磁盘已满"})
                .with_log_note(std::move(note));
        case Failure::connection_lost:
            return Error(ErrorCode::overloaded, {"database unreachable", "无法连接数据库"})
                .with_log_note(std::move(note))
                .with_retry_after(5);
        case Failure::serialization:
        case Failure::busy:
            return Error(ErrorCode::overloaded, {"the database is busy", "数据库繁忙"})
                .with_log_note(std::move(note))
                .with_retry_after(1);
        case Failure::none:
        case Failure::other:
            break;
    }
    return Error(ErrorCode::internal, {"the database reported an error", "数据库出错"}).with_log_note(std::move(note));
}

bool is_unique_violation(const Error& error) {
    return has_constraint(error, "unique");
}
bool is_foreign_key_violation(const Error& error) {
    return has_constraint(error, "foreign_key");
}

}  // namespace llmm::storage
