#include "storage/connection.hpp"

#include "base/fs/file.hpp"
#include "storage/statement.hpp"

#include <cerrno>
#include <sys/stat.h>
#include <unordered_map>

#include <fmt/format.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace llmm::storage {
namespace {

// Texts are few; a bound guards against one that is built with values in it.
constexpr std::size_t kMaxStatements = 256;

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// SQLite gives -wal and -shm the mode of the database file, so it is enough to make that one private. Not by
// open(): the close() after it would drop the locks that other connections of this process hold on the file
// (POSIX locks).
void make_private_file(const std::filesystem::path& path) {
    if (::mknod(path.c_str(), S_IFREG | 0600, 0) != 0 && errno != EEXIST) throw_errno("make " + path.string(), errno);
}

void open_sqlite(soci::session& sql, const std::filesystem::path& file, Connection::Role role) {
    if (role == Connection::Role::writer) make_private_file(file);
    sql.open(soci::sqlite3, fmt::format("dbname=\"{}\" timeout=5", file.string()));
    auto* backend = static_cast<soci::sqlite3_session_backend*>(sql.get_backend());
    sqlite_api::sqlite3_extended_result_codes(backend->conn_, 1);
    // Reasons and measurements: docs/decisions/0002-sqlite-durability.md
    if (role == Connection::Role::writer) {
        sql << "PRAGMA journal_mode=WAL";
        sql << "PRAGMA journal_size_limit=67108864";
    } else {
        sql << "PRAGMA query_only=ON";
    }
    sql << "PRAGMA synchronous=NORMAL";
    sql << "PRAGMA foreign_keys=ON";
    sql << "PRAGMA temp_store=MEMORY";
    sql << "PRAGMA cache_size=-8192";  // KiB a connection
}

void open_postgresql(soci::session& sql, const SecretString& connection_string) {
    sql.open(soci::postgresql, connection_string.reveal());
    sql << "SET client_min_messages = warning";
    sql << "SET statement_timeout = '30s'";
    sql << "SET lock_timeout = '5s'";  // as long as SQLite's busy timeout
    sql << "SET idle_in_transaction_session_timeout = '60s'";
}

}  // namespace

struct Connection::State {
    soci::session sql;
    // After sql: statements go before the connection that they belong to.
    std::unordered_map<std::string, std::unique_ptr<Statement>, TextHash, std::equal_to<>> statements;
};

Connection::Connection(DatabaseUrl url, Role role) : url_(std::move(url)), role_(role) {}
Connection::~Connection() = default;

std::unique_ptr<Connection::State> Connection::open() const {
    auto state = std::make_unique<State>();
    if (url_.dialect() == Dialect::sqlite) {
        open_sqlite(state->sql, url_.file(), role_);
    } else {
        open_postgresql(state->sql, url_.connection_string());
    }
    return state;
}

void Connection::open_if_needed() {
    if (state_) return;
    try {
        state_ = open();
    } catch (const soci::soci_error& error) {
        // Whatever the reason: SOCI gives no code for a connection that could not be made.
        failure_ = Failure::connection_lost;
        throw to_error(failure_, error);
    }
}

void Connection::close() {
    state_.reset();
}

soci::session& Connection::sql() {
    return state_->sql;
}

std::int64_t Connection::run(std::string_view text, std::span<const Param> params,
                             const std::function<bool(const Row&)>& on_row) {
    try {
        auto found = state_->statements.find(text);
        if (found == state_->statements.end() || !found->second->fits(params)) {
            auto made = std::make_unique<Statement>(state_->sql, dialect(), text, params);
            if (state_->statements.size() >= kMaxStatements) state_->statements.clear();
            found = state_->statements.insert_or_assign(std::string(text), std::move(made)).first;
        }
        return found->second->run(params, on_row);
    } catch (const soci::soci_error& error) {
        throw translate(error);
    }
}

void Connection::run_once(const std::string& text) {
    try {
        state_->sql << text;
    } catch (const soci::soci_error& error) {
        throw translate(error);
    }
}

void Connection::begin() {
    failure_ = Failure::none;
    // IMMEDIATE takes the write lock now: a transaction that read first could not get it later without
    // starting over.
    run(dialect() == Dialect::sqlite ? "BEGIN IMMEDIATE" : "BEGIN", {}, {});
}

void Connection::commit() {
    if (failure_ != Failure::none) {
        throw Error(ErrorCode::internal, {"the database reported an error", "数据库出错"})
            .with_log_note("commit after a statement of the transaction failed");
    }
    run("COMMIT", {}, {});
}

void Connection::rollback() noexcept {
    if (!state_) return;
    try {
        // SQLite ends the transaction itself after some errors.
        const bool open = dialect() == Dialect::postgresql ||
                          sqlite_api::sqlite3_get_autocommit(
                              static_cast<soci::sqlite3_session_backend*>(state_->sql.get_backend())->conn_) == 0;
        if (open) state_->sql << "ROLLBACK";
    } catch (const std::exception&) {
        close();  // the server rolls back what a lost connection leaves behind
    }
}

Error Connection::translate(const soci::soci_error& error) {
    failure_ = classify(error);
    if (state_ && dialect() == Dialect::postgresql && !state_->sql.is_connected()) failure_ = Failure::connection_lost;
    return to_error(failure_, error);
}

Dialect Session::dialect() const {
    return connection_.dialect();
}
soci::session& Session::sql() {
    return connection_.sql();
}

std::int64_t Session::run(std::string_view text, std::span<const Param> params, const OnRow& on_row) {
    return connection_.run(text, params, on_row);
}

}  // namespace llmm::storage
