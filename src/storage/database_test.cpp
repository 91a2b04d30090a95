#include "storage/database.hpp"

#include "base/async/task_group.hpp"
#include "base/ids/id.hpp"
#include "storage/page.hpp"
#include "support/databases.hpp"
#include "support/run_task.hpp"

#include <future>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

namespace llmm::storage {
namespace {

using test::run_task;

std::int64_t first_int64(const Row& row) {
    return row.int64(0);
}
std::string first_text(const Row& row) {
    return row.text(0);
}

template <class F>
auto write(Database& database, F fn) {
    return run_task(database.write(std::move(fn)));
}

template <class F>
auto read(Database& database, F fn) {
    return run_task(database.read(std::move(fn)));
}

void add_blob(Session& session, char digit, std::int64_t size = 1) {
    session.execute("INSERT INTO blobs (sha256, size, created_at) VALUES (?, ?, ?)", std::string(64, digit), size,
                    now());
}

std::int64_t count_blobs(Database& database) {
    return *read(database,
                 [](Session& session) { return session.query_one("SELECT count(*) FROM blobs", first_int64); });
}

template <class F>
Error error_of(F call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorCode::internal, {});
}

using OnDatabase = test::OnEachDatabase;
LLMM_ON_EACH_DATABASE(OnDatabase);

TEST_P(OnDatabase, reads_what_was_written) {
    test::TestDatabase database(GetParam());
    EXPECT_EQ(write(*database,
                    [](Session& session) {
                        return session.execute("INSERT INTO blobs (sha256, size, created_at) VALUES (?, ?, ?)",
                                               std::string(64, 'a'), 5'000'000'000, from_epoch_ms(1'769'860'800'123));
                    }),
              1);
    const auto found = read(*database, [](Session& session) {
        return session.query("SELECT sha256, size, verified_at, created_at FROM blobs", [](const Row& row) {
            EXPECT_EQ(row.text(0), std::string(64, 'a'));
            EXPECT_EQ(row.int64(1), 5'000'000'000);
            EXPECT_TRUE(row.is_null(2));
            EXPECT_EQ(row.optional_time(2), std::nullopt);
            EXPECT_EQ(row.time(3), from_epoch_ms(1'769'860'800'123));
            EXPECT_THROW(row.int64(2), Error);
            EXPECT_THROW(row.int64(0), Error);
            EXPECT_THROW(row.text(4), Error);
            return 1;
        });
    });
    EXPECT_EQ(found.size(), 1U);
}

TEST_P(OnDatabase, values_of_every_kind_come_back) {
    test::TestDatabase database(GetParam());
    const std::string text = "it's 模型 \"?\" :p1 \\ \n \xF0\x9F\x8E\x89";
    write(*database, [&](Session& session) {
        session.execute("CREATE TABLE kinds (id BIGINT, t TEXT, i BIGINT, d DOUBLE PRECISION, b INTEGER)");
        for (const std::int64_t id : {1, 2}) {
            session.execute("INSERT INTO kinds (id, t, i, d, b) VALUES (?, ?, ?, ?, ?)", id,
                            id == 1 ? std::optional(text) : std::nullopt,
                            id == 1 ? std::optional(std::numeric_limits<std::int64_t>::min()) : std::nullopt,
                            id == 1 ? std::optional(0.1) : std::nullopt, id == 1 ? std::optional(true) : std::nullopt);
        }
    });
    read(*database, [&](Session& session) {
        const auto rows = session.query("SELECT t, i, d, b FROM kinds ORDER BY id", [&](const Row& row) {
            return std::tuple(row.optional_text(0), row.optional_int64(1), row.optional_number(2),
                              row.optional_int64(3));
        });
        ASSERT_EQ(rows.size(), 2U);
        EXPECT_EQ(rows[0], std::tuple(std::optional(text), std::optional(std::numeric_limits<std::int64_t>::min()),
                                      std::optional(0.1), std::optional<std::int64_t>(1)));
        EXPECT_EQ(rows[1], (std::tuple<std::optional<std::string>, std::optional<std::int64_t>, std::optional<double>,
                                       std::optional<std::int64_t>>()));
    });
}

TEST_P(OnDatabase, sums_keep_64_bits) {
    test::TestDatabase database(GetParam());
    write(*database, [](Session& session) {
        add_blob(session, 'a', 5'000'000'000);
        add_blob(session, 'b', 6'000'000'000);
    });
    EXPECT_EQ(
        read(*database, [](Session& session) { return session.query_one("SELECT sum(size) FROM blobs", first_int64); }),
        11'000'000'000);
}

TEST_P(OnDatabase, question_marks_in_quotes_are_text) {
    test::TestDatabase database(GetParam());
    EXPECT_EQ(read(*database,
                   [](Session& session) {
                       return session.query_one("SELECT '?' AS \"?\" FROM (SELECT 1 AS one) AS t WHERE one = ?",
                                                first_text, 1);
                   }),
              "?");
}

TEST_P(OnDatabase, one_statement_serves_different_kinds_and_counts_of_values) {
    test::TestDatabase database(GetParam());
    write(*database, [](Session& session) {
        add_blob(session, 'a', 12);
        const char* text = "SELECT count(*) FROM blobs WHERE size = ?";
        EXPECT_EQ(session.query_one(text, first_int64, 12), 1);
        EXPECT_EQ(session.query_one(text, first_int64, "12"), 1);
        EXPECT_EQ(session.query_one(text, first_int64, std::optional<std::int64_t>()), 0);
        EXPECT_EQ(session.query_one(text, first_int64, Params{13}), 0);
    });
    EXPECT_EQ(error_of([&] {
                  read(*database,
                       [](Session& session) { return session.query_one("SELECT 1 WHERE 1 = ?", first_int64); });
              }).code(),
              ErrorCode::internal);
}

TEST_P(OnDatabase, a_query_for_one_row_leaves_nothing_open) {
    test::TestDatabase database(GetParam(), 1);
    write(*database, [](Session& session) {
        add_blob(session, 'a');
        add_blob(session, 'b');
    });
    const auto first = [&] {
        return read(*database, [](Session& session) {
            return session.query_one("SELECT sha256 FROM blobs ORDER BY sha256", first_text);
        });
    };
    EXPECT_EQ(first(), std::string(64, 'a'));
    write(*database,
          [](Session& session) { session.execute("DELETE FROM blobs WHERE sha256 = ?", std::string(64, 'a')); });
    // The same connection: a statement left open would hold it to what it saw before.
    EXPECT_EQ(count_blobs(*database), 1);
    EXPECT_EQ(first(), std::string(64, 'b'));
}

TEST_P(OnDatabase, returning_gives_rows_of_a_change_once) {
    test::TestDatabase database(GetParam());
    write(*database, [](Session& session) { add_blob(session, 'a', 1); });
    EXPECT_EQ(write(*database,
                    [](Session& session) {
                        return session.query_one("UPDATE blobs SET size = size + 1 RETURNING size + 0", first_int64);
                    }),
              2);
    EXPECT_EQ(
        read(*database, [](Session& session) { return session.query_one("SELECT size FROM blobs", first_int64); }), 2);
}

TEST_P(OnDatabase, an_exception_rolls_back) {
    test::TestDatabase database(GetParam());
    EXPECT_THROW(write(*database,
                       [](Session& session) {
                           add_blob(session, 'a');
                           throw std::runtime_error("no");
                       }),
                 std::runtime_error);
    EXPECT_EQ(count_blobs(*database), 0);
    write(*database, [](Session& session) { add_blob(session, 'a'); });
    EXPECT_EQ(count_blobs(*database), 1);
}

TEST_P(OnDatabase, a_failed_statement_that_was_swallowed_commits_nothing) {
    test::TestDatabase database(GetParam());
    EXPECT_EQ(error_of([&] {
                  write(*database, [](Session& session) {
                      add_blob(session, 'a');
                      try {
                          add_blob(session, 'a');
                      } catch (const Error&) {
                      }
                  });
              }).code(),
              ErrorCode::internal);
    EXPECT_EQ(count_blobs(*database), 0);
}

TEST_P(OnDatabase, tells_violated_constraints_apart) {
    test::TestDatabase database(GetParam());
    const Error twice = error_of([&] {
        write(*database, [](Session& session) {
            add_blob(session, 'a');
            add_blob(session, 'a');
        });
    });
    EXPECT_EQ(twice.code(), ErrorCode::conflict);
    EXPECT_TRUE(is_unique_violation(twice));
    EXPECT_FALSE(is_foreign_key_violation(twice));

    const Error orphan = error_of([&] {
        write(*database, [](Session& session) {
            session.execute("INSERT INTO model_files (model_id, path, size, sha256) VALUES ('m', 'p', 1, 's')");
        });
    });
    EXPECT_TRUE(is_foreign_key_violation(orphan));
    EXPECT_FALSE(is_unique_violation(orphan));

    const Error check = error_of([&] { write(*database, [](Session& session) { add_blob(session, 'a', -1); }); });
    EXPECT_EQ(check.code(), ErrorCode::internal);
}

TEST_P(OnDatabase, the_drivers_words_go_to_the_log_only) {
    test::TestDatabase database(GetParam());
    const Error error = error_of([&] {
        read(*database, [](Session& session) {
            return session.query("SELECT secret_column FROM blobs WHERE sha256 = ?", first_text, "secret-value");
        });
    });
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_THAT(error.message().en, ::testing::Not(::testing::HasSubstr("secret")));
    EXPECT_THAT(error.log_note(), ::testing::HasSubstr("secret_column"));
    EXPECT_THAT(error.log_note(), ::testing::Not(::testing::HasSubstr("secret-value")));
}

TEST_P(OnDatabase, soci_itself_is_within_reach_and_its_errors_are_ours) {
    test::TestDatabase database(GetParam());
    EXPECT_EQ(read(*database,
                   [](Session& session) {
                       long long value = 0;
                       session.sql() << "SELECT 40 + 2", soci::into(value);
                       return value;
                   }),
              42);
    EXPECT_EQ(error_of([&] { write(*database, [](Session& session) { session.sql() << "nonsense"; }); }).code(),
              ErrorCode::internal);
}

TEST_P(OnDatabase, refuses_text_with_a_nul) {
    test::TestDatabase database(GetParam());
    EXPECT_EQ(error_of([&] {
                  write(*database, [](Session& session) {
                      session.execute("UPDATE models SET name = ?", std::string("a\0b", 3));
                  });
              }).code(),
              ErrorCode::validation_failed);
}

Task<> increment(Database& database, int times) {
    for (int i = 0; i < times; ++i) {
        co_await database.write([](Session& session) { session.execute("UPDATE blobs SET size = size + 1"); });
    }
}

Task<> increment_together(Database& database, int coroutines, int times) {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < coroutines; ++i)
        group.spawn("increment", increment(database, times));
    co_await group.wait();
    co_await group.stop();
}

TEST_P(OnDatabase, concurrent_writers_lose_nothing) {
    test::TestDatabase database(GetParam());
    write(*database, [](Session& session) { add_blob(session, 'a', 0); });
    run_task(increment_together(*database, 8, 200), std::chrono::seconds(60));
    EXPECT_EQ(
        read(*database, [](Session& session) { return session.query_one("SELECT size FROM blobs", first_int64); }),
        1600);
}

TEST_P(OnDatabase, a_reader_sees_nothing_uncommitted_and_does_not_wait) {
    test::TestDatabase database(GetParam());
    std::promise<void> written;
    std::promise<void> seen;
    auto writer = std::async(std::launch::async, [&] {
        write(*database, [&](Session& session) {
            add_blob(session, 'a');
            written.set_value();
            seen.get_future().wait();
        });
    });
    written.get_future().wait();
    EXPECT_EQ(count_blobs(*database), 0);
    seen.set_value();
    writer.get();
    EXPECT_EQ(count_blobs(*database), 1);
}

TEST_P(OnDatabase, keyset_pages_visit_each_row_once_while_rows_come_and_go) {
    test::TestDatabase database(GetParam());
    write(*database, [](Session& session) {
        for (int i = 0; i < 10; ++i) {
            session.execute(
                "INSERT INTO tasks (id, kind, state, run_at, created_at, updated_at) VALUES (?, 'k', "
                "'queued', 0, ?, 0)",
                TaskId::generate(), i / 3);
        }
    });
    struct Item {
        std::string id;
        std::int64_t created_at;
    };
    std::vector<std::int64_t> visited;
    std::optional<std::string> cursor;
    do {
        const auto after = cursor ? std::optional(Cursor::parse(*cursor, "created_at")) : std::nullopt;
        const auto page = read(*database, [&](Session& session) {
            Params params;
            std::string text = "SELECT id, created_at FROM tasks";
            if (after) {
                text += " WHERE (created_at, id) > (?, ?)";
                params = {after->value_param(), after->id};
            }
            params.emplace_back(3 + 1);
            auto items = session.query(
                text + " ORDER BY created_at, id LIMIT ?",
                [](const Row& row) { return Item{row.text(0), row.int64(1)}; }, params);
            return make_page(std::move(items), 3,
                             [](const Item& item) { return Cursor{"created_at", item.created_at, item.id}; });
        });
        for (const Item& item : page.items)
            visited.push_back(item.created_at);
        write(*database,
              [&](Session& session) { session.execute("DELETE FROM tasks WHERE id = ?", page.items.back().id); });
        cursor = page.next_cursor;
    } while (cursor);
    EXPECT_EQ(visited, (std::vector<std::int64_t>{0, 0, 0, 1, 1, 1, 2, 2, 2, 3}));
}

TEST(SqliteDatabase, a_full_disk_is_told_and_survived) {
    test::TestDatabase database(Dialect::sqlite);
    write(*database, [](Session& session) {
        session.execute("CREATE TABLE filler (data TEXT)");
        session.sql() << "PRAGMA max_page_count=1";  // SQLite takes the present size instead
    });
    const Error error = error_of([&] {
        write(*database,
              [](Session& session) { session.execute("INSERT INTO filler VALUES (?)", std::string(4'000'000, 'x')); });
    });
    EXPECT_EQ(error.code(), ErrorCode::disk_full);
    write(*database, [](Session& session) { session.sql() << "PRAGMA max_page_count=1000000"; });
    write(*database, [](Session& session) { add_blob(session, 'a'); });
    EXPECT_EQ(count_blobs(*database), 1);
}

TEST(SqliteDatabase, readers_cannot_write) {
    test::TestDatabase database(Dialect::sqlite);
    EXPECT_THROW(read(*database, [](Session& session) { add_blob(session, 'a'); }), Error);
    EXPECT_EQ(count_blobs(*database), 0);
}

TEST(SqliteDatabase, a_file_that_cannot_be_opened_is_an_error) {
    EXPECT_THROW(Database({DatabaseUrl::parse("sqlite:///nonexistent/a.db")}), Error);
}

void terminate_others(Session& session) {
    session.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND"
        " pid <> pg_backend_pid()",
        [](const Row&) { return 0; });
}

// The server ends connections in its own time.
void wait_until_alone(Session& session) {
    const char* others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
        " pid <> pg_backend_pid()";
    while (session.query_one(others, first_int64) != 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(PostgresqlDatabase, recovers_from_lost_connections) {
    test::TestDatabase database(Dialect::postgresql, 1);
    Database other({database.url(), 1});
    write(*database, [](Session& session) { add_blob(session, 'a'); });
    const auto cut = [&] {
        read(other, [](Session& session) {
            terminate_others(session);
            wait_until_alone(session);
        });
    };
    cut();
    EXPECT_EQ(count_blobs(*database), 1);
    cut();
    write(*database, [](Session& session) { add_blob(session, 'b'); });
    EXPECT_EQ(count_blobs(*database), 2);
}

TEST(PostgresqlDatabase, a_write_cut_in_the_middle_runs_once_more_as_a_whole) {
    test::TestDatabase database(Dialect::postgresql, 1);
    Database other({database.url(), 1});
    int runs = 0;
    write(*database, [&](Session& session) {
        add_blob(session, 'a');
        if (++runs == 1) {
            read(other, [](Session& cutter) {
                terminate_others(cutter);
                wait_until_alone(cutter);
            });
        }
        add_blob(session, 'b');
    });
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(count_blobs(*database), 2);
}

TEST(PostgresqlDatabase, a_connection_that_stays_lost_is_overload) {
    test::TestDatabase database(Dialect::postgresql, 1);
    Database other({database.url(), 1});
    int runs = 0;
    const Error error = error_of([&] {
        read(*database, [&](Session& session) {
            ++runs;
            read(other, [](Session& cutter) {
                terminate_others(cutter);
                wait_until_alone(cutter);
            });
            return session.query_one("SELECT 1", first_int64);
        });
    });
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(error.code(), ErrorCode::overloaded);
    EXPECT_EQ(count_blobs(*database), 0);
}

TEST(PostgresqlDatabase, a_server_that_is_not_there_is_overload_without_the_password) {
    const Error error = error_of([] { Database({DatabaseUrl::parse("postgresql://me:hunter2@127.0.0.1:1/models")}); });
    EXPECT_EQ(error.code(), ErrorCode::overloaded);
    EXPECT_THAT(error.log_note(), ::testing::Not(::testing::HasSubstr("hunter2")));
}

TEST(PostgresqlDatabase, a_deadlock_is_run_again) {
    test::TestDatabase database(Dialect::postgresql, 2);
    write(*database, [](Session& session) {
        add_blob(session, 'a', 0);
        add_blob(session, 'b', 0);
    });
    std::atomic<int> runs = 0;
    const auto both = [&](char first, char second) {
        return std::async(std::launch::async, [&, first, second] {
            write(*database, [&](Session& session) {
                const char* text = "UPDATE blobs SET size = size + 1 WHERE sha256 = ?";
                session.execute(text, std::string(64, first));
                // The first two runs wait for each other, so that each holds what the other wants.
                if (++runs <= 2) {
                    while (runs < 2)
                        std::this_thread::yield();
                }
                session.execute(text, std::string(64, second));
            });
        });
    };
    auto one = both('a', 'b');
    auto two = both('b', 'a');
    one.get();
    two.get();
    EXPECT_GE(runs, 3);
    EXPECT_EQ(
        read(*database, [](Session& session) { return session.query_one("SELECT sum(size) FROM blobs", first_int64); }),
        4);
}

}  // namespace
}  // namespace llmm::storage
