#include "storage/statement.hpp"

#include "base/error/error.hpp"

#include <fmt/format.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace llmm::storage {
namespace {

[[noreturn]] void misused(std::string note) {
    throw Error(ErrorCode::internal, {"a database statement is used wrongly", "数据库语句使用有误"})
        .with_log_note(std::move(note));
}

// "?" becomes ":p1", ":p2", … which SOCI understands on both databases.
std::string with_named_placeholders(std::string_view text, std::size_t expected) {
    std::string out;
    std::size_t count = 0;
    char quote = 0;
    for (const char c : text) {
        if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '?') {
            out += fmt::format(":p{}", ++count);
            continue;
        }
        out += c;
    }
    if (count != expected) misused(fmt::format("{} values for {} placeholders: {}", expected, count, text));
    return out;
}

}  // namespace

Statement::Statement(soci::session& session, Dialect dialect, std::string_view text, std::span<const Param> params)
    : dialect_(dialect), slots_(params.size()), handle_(session) {
    handle_.alloc();
    handle_.prepare(with_named_placeholders(text, params.size()));
    const std::size_t columns = column_count();
    row_.texts_.resize(columns);
    row_.nulls_.resize(columns);
    indicators_.resize(columns);
    for (std::size_t i = 0; i < columns; ++i)
        handle_.exchange(soci::into(row_.texts_[i], indicators_[i]));
    for (std::size_t i = 0; i < params.size(); ++i) {
        Slot& slot = slots_[i];
        slot.kind = params[i].kind();
        switch (slot.kind) {
            case Param::Kind::text:
                handle_.exchange(soci::use(std::as_const(slot.text), slot.indicator));
                break;
            case Param::Kind::integer:
                handle_.exchange(soci::use(std::as_const(slot.integer), slot.indicator));
                break;
            case Param::Kind::number:
                handle_.exchange(soci::use(std::as_const(slot.number), slot.indicator));
                break;
        }
    }
    handle_.define_and_bind();
}

std::size_t Statement::column_count() {
    if (dialect_ == Dialect::sqlite) {
        const auto* backend = static_cast<soci::sqlite3_statement_backend*>(handle_.get_backend());
        return static_cast<std::size_t>(sqlite_api::sqlite3_column_count(backend->stmt_));
    }
    // SOCI's own description would execute the statement.
    auto* backend = static_cast<soci::postgresql_statement_backend*>(handle_.get_backend());
    const std::unique_ptr<PGresult, decltype(&PQclear)> described(
        PQdescribePrepared(backend->session_.conn_, backend->statementName_.c_str()), &PQclear);
    if (PQresultStatus(described.get()) != PGRES_COMMAND_OK) {
        const char* state = PQresultErrorField(described.get(), PG_DIAG_SQLSTATE);
        throw soci::postgresql_soci_error(PQerrorMessage(backend->session_.conn_), state ? state : "08000");
    }
    return static_cast<std::size_t>(PQnfields(described.get()));
}

bool Statement::fits(std::span<const Param> params) const {
    return std::ranges::equal(params, slots_, {}, &Param::kind, &Slot::kind);
}

void Statement::fill(std::span<const Param> params) {
    for (std::size_t i = 0; i < params.size(); ++i) {
        Slot& slot = slots_[i];
        slot.indicator = params[i].is_null() ? soci::i_null : soci::i_ok;
        if (const auto* text = std::get_if<std::string>(&params[i].value())) {
            // PostgreSQL has no such text, and its driver would cut it here without a word.
            if (text->find('\0') != std::string::npos) {
                fail(ErrorCode::validation_failed, "text must not contain the NUL character", "文本不能包含 NUL 字符");
            }
            slot.text = *text;
        } else if (const auto* integer = std::get_if<std::int64_t>(&params[i].value())) {
            slot.integer = *integer;
        } else if (const auto* number = std::get_if<double>(&params[i].value())) {
            slot.number = *number;
        }
    }
}

std::int64_t Statement::run(std::span<const Param> params, const std::function<bool(const Row&)>& on_row) {
    if (running_) misused("a statement is run again while its rows are read");
    fill(params);
    running_ = true;
    struct Finish {
        Statement& statement;
        ~Finish() { statement.reset(); }
    } finish{*this};

    bool more = execute();
    const std::int64_t affected = handle_.get_affected_rows();
    while (more && on_row) {
        for (std::size_t i = 0; i < indicators_.size(); ++i)
            row_.nulls_[i] = indicators_[i] == soci::i_null;
        if (!on_row(row_)) break;
        more = handle_.fetch();
    }
    return affected;
}

bool Statement::execute() {
    try {
        return handle_.execute(true);
    } catch (...) {
        // SOCI's buffers for PostgreSQL are freed after success only, and the next execution would lose them.
        handle_.undefine_and_bind();
        throw;
    }
}

// A statement that is not reset keeps SQLite's read transaction open, and PostgreSQL's result in memory.
void Statement::reset() {
    running_ = false;
    if (dialect_ == Dialect::sqlite) {
        sqlite_api::sqlite3_reset(static_cast<soci::sqlite3_statement_backend*>(handle_.get_backend())->stmt_);
    } else {
        static_cast<soci::postgresql_statement_backend*>(handle_.get_backend())->result_.reset();
    }
}

}  // namespace llmm::storage
