#include "storage/migrator.hpp"

#include "base/crypto/digest.hpp"
#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "storage/connection.hpp"
#include "storage/sql_splitter.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <map>
#include <sys/file.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace llmm::storage {
namespace {

// Any number that no other program is likely to use for an advisory lock: "llmm" in ASCII.
constexpr std::int64_t kAdvisoryLock = 0x6c6c6d6d;

struct Migration {
    int version = 0;
    std::string name;
    std::string_view script;
    std::string sha256;
};

struct Applied {
    int version = 0;
    std::string name;
    std::string sha256;
};

[[noreturn]] void bad_file(std::string_view name, std::string_view why) {
    throw Error(ErrorCode::internal, {"the program's migrations are inconsistent", "程序内的迁移文件不一致"})
        .with_log_note(fmt::format("{}: {}", name, why));
}

std::vector<Migration> select_for(Dialect dialect, std::span<const EmbeddedFile> files) {
    std::map<int, Migration> by_version;
    for (const EmbeddedFile& file : files) {
        int version = 0;
        const char* begin = file.name.data();
        const auto [end, error] = std::from_chars(begin, begin + file.name.size(), version);
        if (error != std::errc() || end != begin + 4 || !file.name.substr(4).starts_with('_') ||
            !file.name.ends_with(".sql")) {
            bad_file(file.name, "not NNNN_name.sql");
        }
        const bool only_sqlite = file.name.ends_with(".sqlite.sql");
        const bool only_postgresql = file.name.ends_with(".postgres.sql");
        if ((only_sqlite && dialect != Dialect::sqlite) || (only_postgresql && dialect != Dialect::postgresql))
            continue;
        const Migration migration{version, std::string(file.name), file.content, Sha256::of(file.content).hex()};
        if (!by_version.emplace(version, migration).second) bad_file(file.name, "this number is used twice");
    }
    std::vector<Migration> migrations;
    for (auto& [version, migration] : by_version) {
        if (version != static_cast<int>(migrations.size()) + 1)
            bad_file(migration.name, "a number is missing before it");
        migrations.push_back(std::move(migration));
    }
    return migrations;
}

std::vector<Applied> read_applied(Session& session) {
    return session.query("SELECT version, name, sha256 FROM schema_migrations ORDER BY version", [](const Row& row) {
        return Applied{static_cast<int>(row.int64(0)), row.text(1), row.text(2)};
    });
}

void check(const std::vector<Applied>& applied, const std::vector<Migration>& known) {
    if (!applied.empty() && applied.back().version > static_cast<int>(known.size())) {
        fail(ErrorCode::state_conflict,
             "the database has version {} but this program knows only version {}: start a newer program or "
             "restore a backup",
             "数据库版本为 {}，而本程序只支持到版本 {}：请使用更新的程序或恢复备份", applied.back().version,
             known.size());
    }
    for (std::size_t i = 0; i < applied.size(); ++i) {
        const Applied& row = applied[i];
        if (row.version != static_cast<int>(i) + 1) {
            fail(ErrorCode::state_conflict, "the database lacks migration {} but has later ones",
                 "数据库缺少迁移 {}，却已有更新的迁移", i + 1);
        }
        if (row.sha256 != known[i].sha256) {
            fail(ErrorCode::state_conflict,
                 "migration {} was changed after this database had applied it as {}: restore the old file "
                 "and add a new migration",
                 "迁移 {} 在数据库应用它（{}）之后被修改：请恢复旧文件并添加新的迁移", known[i].name, row.name);
        }
    }
}

// A file of another program, given by mistake, stays as it is.
void check_is_ours(Session& session) {
    const auto tables = session.query("SELECT name FROM sqlite_master WHERE type = 'table'",
                                      [](const Row& row) { return row.text(0); });
    if (!tables.empty() && std::ranges::find(tables, "schema_migrations") == tables.end()) {
        fail(ErrorCode::state_conflict, "this SQLite file belongs to another program", "此 SQLite 文件属于其他程序");
    }
}

// One process or thread at a time, from before the file is opened: while it becomes a WAL file, SQLite
// answers others with an error instead of letting them wait. The lock goes with the descriptor; its file
// stays.
UniqueFd lock_beside(std::filesystem::path database) {
    database += ".lock";
    UniqueFd fd = open_file(database, O_CREAT | O_RDWR, 0600);
    while (::flock(fd.get(), LOCK_EX) != 0) {
        if (errno != EINTR) throw_errno("lock " + database.string(), errno);
    }
    return fd;
}

// A consistent copy beside the database, made by SQLite itself.
std::filesystem::path back_up(Connection& connection, const std::filesystem::path& database, int version) {
    std::filesystem::path copy = database;
    copy += fmt::format(".v{}-{}.backup", version, to_epoch_ms(now()));
    // VACUUM INTO takes an empty file as it is, and would make one that others can read.
    const UniqueFd fd = open_file(copy, O_CREAT | O_EXCL | O_RDWR, 0600);
    try {
        Session(connection).execute("VACUUM INTO ?", copy.string());
        sync_file(fd.get());
        sync_directory(copy.parent_path());
    } catch (...) {
        ::unlink(copy.c_str());
        throw;
    }
    return copy;
}

// Rolls back unless commit() was reached.
class Transaction {
  public:
    explicit Transaction(Connection& connection) : connection_(connection) { connection_.begin(); }
    ~Transaction() {
        if (!committed_) connection_.rollback();
    }
    void commit() {
        connection_.commit();
        committed_ = true;
    }

  private:
    Connection& connection_;
    bool committed_ = false;
};

void apply(Connection& connection, const Migration& migration) {
    Transaction transaction(connection);
    Session session(connection);
    for (const std::string& statement : split_statements(migration.script))
        connection.run_once(statement);
    session.execute("INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
                    migration.version, migration.name, migration.sha256, now());
    transaction.commit();
}

}  // namespace

MigrationReport migrate(const DatabaseUrl& url, std::span<const EmbeddedFile> files) {
    const std::vector<Migration> known = select_for(url.dialect(), files);
    const UniqueFd lock = url.dialect() == Dialect::sqlite ? lock_beside(url.file()) : UniqueFd();
    Connection connection(url, Connection::Role::writer);
    connection.open_if_needed();
    Session session(connection);
    if (url.dialect() == Dialect::postgresql) {
        // Freed when the connection closes.
        connection.run_once("SET lock_timeout = 0");
        connection.run_once("SET statement_timeout = 0");
        session.query_one("SELECT pg_advisory_lock(?)", [](const Row&) { return 0; }, kAdvisoryLock);
    } else {
        check_is_ours(session);
    }
    connection.run_once(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY,"
        " name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL)");
    const std::vector<Applied> applied = read_applied(session);
    check(applied, known);

    MigrationReport report;
    report.version_before = static_cast<int>(applied.size());
    report.version_after = report.version_before;
    if (applied.size() == known.size()) return report;
    if (url.dialect() == Dialect::sqlite && !applied.empty()) {
        report.backup = back_up(connection, url.file(), report.version_before);
    }
    for (const Migration& migration : std::span(known).subspan(applied.size())) {
        apply(connection, migration);
        log::info("database migrated", {{"migration", migration.name}});
        report.version_after = migration.version;
    }
    return report;
}

}  // namespace llmm::storage
