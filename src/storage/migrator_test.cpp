#include "storage/migrator.hpp"

#include "base/error/error.hpp"
#include "storage/connection.hpp"
#include "support/databases.hpp"

#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::storage {
namespace {

using ::testing::HasSubstr;
using Files = std::vector<EmbeddedFile>;

constexpr EmbeddedFile kFirst{"0001_first.sql", "CREATE TABLE first (id TEXT NOT NULL PRIMARY KEY);"};
constexpr EmbeddedFile kSecond{"0002_second.sql", "CREATE TABLE second (id BIGINT);INSERT INTO second VALUES (7);"};
constexpr EmbeddedFile kBroken{"0002_broken.sql", "CREATE TABLE second (id BIGINT);INSERT INTO nowhere VALUES (7);"};

template <class F>
auto on(const DatabaseUrl& url, F call) {
    Connection connection(url, Connection::Role::writer);
    connection.open_if_needed();
    Session session(connection);
    return call(session);
}

std::int64_t count(const DatabaseUrl& url, const std::string& table) {
    return on(url, [&](Session& session) {
        return *session.query_one("SELECT count(*) FROM " + table, [](const Row& row) { return row.int64(0); });
    });
}

Error error_of(const DatabaseUrl& url, const Files& files) {
    try {
        migrate(url, files);
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "the migration succeeded";
    return Error(ErrorCode::internal, {});
}

using Migrator = test::OnEachDatabase;
LLMM_ON_EACH_DATABASE(Migrator);

TEST_P(Migrator, brings_a_new_database_to_the_newest_version) {
    const test::EmptyDatabase database(GetParam());
    const MigrationReport report = migrate(database.url());
    EXPECT_EQ(report.version_before, 0);
    EXPECT_GE(report.version_after, 1);
    EXPECT_FALSE(report.backup);
    EXPECT_EQ(count(database.url(), "models"), 0);
}

TEST_P(Migrator, does_nothing_the_second_time) {
    const test::EmptyDatabase database(GetParam());
    const MigrationReport first = migrate(database.url());
    const MigrationReport second = migrate(database.url());
    EXPECT_EQ(second.version_before, first.version_after);
    EXPECT_EQ(second.version_after, first.version_after);
}

TEST_P(Migrator, applies_only_what_is_new) {
    const test::EmptyDatabase database(GetParam());
    migrate(database.url(), Files{kFirst});
    on(database.url(), [](Session& session) { return session.execute("INSERT INTO first VALUES ('kept')"); });
    const MigrationReport report = migrate(database.url(), Files{kFirst, kSecond});
    EXPECT_EQ(report.version_before, 1);
    EXPECT_EQ(report.version_after, 2);
    EXPECT_EQ(count(database.url(), "first"), 1);
    EXPECT_EQ(count(database.url(), "second"), 1);
    EXPECT_EQ(report.backup.has_value(), GetParam() == Dialect::sqlite);
    if (report.backup) {
        EXPECT_EQ(count(DatabaseUrl::of_file(*report.backup), "first"), 1);
        EXPECT_THROW(count(DatabaseUrl::of_file(*report.backup), "second"), Error);
        EXPECT_EQ(std::filesystem::status(*report.backup).permissions(),
                  std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }
}

TEST_P(Migrator, takes_the_file_of_its_dialect) {
    const test::EmptyDatabase database(GetParam());
    migrate(database.url(), Files{{"0001_a.sqlite.sql", "CREATE TABLE for_sqlite (id BIGINT)"},
                                  {"0001_a.postgres.sql", "CREATE TABLE for_postgresql (id BIGINT)"}});
    EXPECT_EQ(count(database.url(), GetParam() == Dialect::sqlite ? "for_sqlite" : "for_postgresql"), 0);
}

TEST_P(Migrator, refuses_a_changed_file) {
    const test::EmptyDatabase database(GetParam());
    migrate(database.url(), Files{kFirst});
    const Error error = error_of(database.url(), Files{{kFirst.name, "CREATE TABLE other (id BIGINT)"}, kSecond});
    EXPECT_EQ(error.code(), ErrorCode::state_conflict);
    EXPECT_THAT(error.message().en, HasSubstr("0001_first.sql was changed"));
    EXPECT_THROW(count(database.url(), "second"), Error);
}

TEST_P(Migrator, refuses_a_newer_database_and_says_both_versions) {
    const test::EmptyDatabase database(GetParam());
    migrate(database.url(), Files{kFirst, kSecond});
    const Error error = error_of(database.url(), Files{kFirst});
    EXPECT_EQ(error.code(), ErrorCode::state_conflict);
    EXPECT_THAT(error.message().en, HasSubstr("has version 2"));
    EXPECT_THAT(error.message().en, HasSubstr("only version 1"));
}

TEST_P(Migrator, a_failing_migration_leaves_nothing_of_itself) {
    const test::EmptyDatabase database(GetParam());
    EXPECT_EQ(error_of(database.url(), Files{kFirst, kBroken}).code(), ErrorCode::internal);
    EXPECT_EQ(count(database.url(), "first"), 0);
    EXPECT_THROW(count(database.url(), "second"), Error);
    EXPECT_EQ(migrate(database.url(), Files{kFirst, kSecond}).version_before, 1);
}

TEST_P(Migrator, refuses_files_that_make_no_sequence) {
    const test::EmptyDatabase database(GetParam());
    for (const Files& files : {Files{kSecond}, Files{kFirst, {"0001_again.sql", ""}}, Files{{"1_short.sql", ""}},
                               Files{{"0001_name.txt", ""}}, Files{{"0001.sql", ""}}}) {
        EXPECT_EQ(error_of(database.url(), files).code(), ErrorCode::internal) << files.back().name;
    }
}

TEST_P(Migrator, several_at_once_apply_each_file_once) {
    const test::EmptyDatabase database(GetParam());
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            try {
                migrate(database.url(), Files{kFirst, kSecond});
            } catch (const std::exception&) {
                ++failures;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(count(database.url(), "second"), 1);
    EXPECT_EQ(count(database.url(), "schema_migrations"), 2);
}

TEST_P(Migrator, a_process_killed_in_the_middle_leaves_a_whole_version) {
    const test::EmptyDatabase database(GetParam());
    migrate(database.url(), Files{kFirst});
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        // The child dies inside the transaction, without a word to the database.
        Connection connection(database.url(), Connection::Role::writer);
        connection.open_if_needed();
        connection.begin();
        connection.run_once("CREATE TABLE second (id BIGINT)");
        Session(connection)
            .execute("INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (2, 'x', 'y', 0)");
        ::_exit(0);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    const MigrationReport report = migrate(database.url(), Files{kFirst, kSecond});
    EXPECT_EQ(report.version_before, 1);
    EXPECT_EQ(count(database.url(), "second"), 1);
}

TEST(SqliteMigrator, leaves_another_programs_file_alone) {
    const test::EmptyDatabase database(Dialect::sqlite);
    on(database.url(), [](Session& session) { return session.execute("CREATE TABLE recipes (id TEXT)"); });
    EXPECT_EQ(error_of(database.url(), Files{kFirst}).code(), ErrorCode::state_conflict);
    EXPECT_THROW(count(database.url(), "schema_migrations"), Error);
}

TEST(SqliteMigrator, the_file_is_private) {
    const test::EmptyDatabase database(Dialect::sqlite);
    migrate(database.url());
    EXPECT_EQ(std::filesystem::status(database.url().file()).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace
}  // namespace llmm::storage
