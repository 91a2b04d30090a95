#include "features/usage/usage_store.hpp"

#include "features/usage/usage_json.hpp"
#include "features/usage/usage_ticket.hpp"
#include "support/databases.hpp"
#include "support/event_loop.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace llmm::usage {
namespace {

using namespace std::chrono_literals;

class UsageTest : public test::OnEachDatabase {
  public:
    static Usage row(std::string model, int status, std::int64_t out, std::string_view day = "2026-01-31") {
        return {.at = parse_rfc3339(std::string(day) + "T23:59:59.999Z").value(),
                .caller = "=ann, \"the first\"",
                .model = std::move(model),
                .deployment = "d",
                .dialect = "openai",
                .operation = "chat.completions",
                .status = status,
                .streamed = true,
                .tokens_in = 2,
                .tokens_out = out,
                .tokens_cached = std::nullopt,
                .first_token_ms = std::nullopt,
                .total_ms = 4,
                .error = {}};
    }

    test::EventLoop loop;  // outlives the threads that resume on it
    test::TestDatabase database{GetParam()};
    UsageStore store{*database};
    test::TemporaryDirectory home;
};
LLMM_ON_EACH_DATABASE(UsageTest);

}  // namespace

TEST_P(UsageTest, sums_are_those_of_the_rows) {
    auto rows = std::make_shared<std::vector<Usage>>();
    for (int i = 0; i < 70; ++i)  // more than one statement takes
        rows->push_back(row(i % 2 ? "a" : "b",
                            i == 0   ? 502
                            : i == 1 ? 499
                                     : 200,
                            i, i < 35 ? "2026-01-31" : "2026-02-01"));
    loop.run(store.insert(rows));
    const auto sums = loop.run(store.sum({.group_by = {Grouping::day, Grouping::model},
                                          .from = {},
                                          .to = {},
                                          .model = {},
                                          .caller = {},
                                          .deployment = {}}));
    ASSERT_EQ(sums.size(), 4u);
    EXPECT_EQ(sums[0].group, (std::vector<std::string>{"2026-01-31", "a"}));
    EXPECT_EQ(sums[0].requests + sums[1].requests, 35);
    EXPECT_EQ(sums[0].cancelled, 1);
    EXPECT_EQ(sums[1].failed, 1);
    EXPECT_EQ(sums[0].tokens_out + sums[1].tokens_out + sums[2].tokens_out + sums[3].tokens_out, 69 * 70 / 2);
    EXPECT_EQ(sums[0].mean_total_ms, 4);
    EXPECT_EQ(sums[0].mean_first_token_ms, std::nullopt);
    const auto later = loop.run(store.sum({.group_by = {},
                                           .from = parse_rfc3339("2026-02-01T00:00:00Z"),
                                           .to = {},
                                           .model = "a",
                                           .caller = {},
                                           .deployment = {}}));
    ASSERT_EQ(later.size(), 1u);
    EXPECT_EQ(later[0].requests, 18);
    const std::string csv = to_csv(
        loop.run(store.sum(
            {.group_by = {Grouping::caller}, .from = {}, .to = {}, .model = {}, .caller = {}, .deployment = {}})),
        {Grouping::caller});
    EXPECT_NE(csv.find("\"'=ann, \"\"the first\"\"\",70,1,1,140,"), std::string::npos) << csv;
}

TEST_P(UsageTest, recorder_writes_all_of_it_in_the_end) {
    UsageRecorder recorder(loop.executor(), store, home / "usage.journal", {.interval = 20ms, .max_waiting = 1000});
    recorder.start();
    for (int i = 0; i < 100; ++i)
        recorder.end(row("a", 200, 1));
    EXPECT_EQ(recorder.waiting(), 100u);
    loop.run(recorder.flush());
    for (int i = 0; i < 7; ++i)
        recorder.end(row("a", 200, 1));
    loop.run(recorder.stop());
    EXPECT_EQ(recorder.waiting(), 0u);
    EXPECT_EQ(loop.run(store.sum({})).front().requests, 107);
}

TEST_P(UsageTest, the_next_process_writes_what_a_killed_one_could_not) {
    {
        UsageRecorder killed(loop.executor(), store, home / "usage.journal", {});
        UsageTicket open(killed, row("open", 200, 1));
        open.begin();
        UsageTicket(killed, row("ended", 200, 1)).begin();
        loop.run(killed.flush());  // only one of them has ended
        UsageTicket(killed, row("late", 200, 1)).begin();
        std::filesystem::copy(home / "usage.journal", home / "left");
    }
    UsageRecorder next(loop.executor(), store, home / "left", {});
    EXPECT_EQ(next.waiting(), 3u);
    loop.run(next.stop());
    const auto sum = loop.run(store.sum({})).front();
    EXPECT_EQ(sum.requests, 3) << "the one that was written already is there once";
    EXPECT_EQ(sum.failed, 1);
    EXPECT_EQ(std::filesystem::file_size(home / "left"), 0u);
}

TEST_P(UsageTest, recorder_keeps_a_bound_while_the_database_refuses) {
    loop.run(database->write([](storage::Session& session) { session.execute("DROP TABLE usage"); }));
    UsageRecorder recorder(loop.executor(), store, home / "usage.journal", {.interval = 10ms, .max_waiting = 100});
    for (int i = 0; i < 1000; ++i)
        recorder.end(row("a", 200, 1));
    loop.run(recorder.flush());
    EXPECT_LE(recorder.waiting(), 100u);
    EXPECT_GE(recorder.waiting(), 80u);
}

}  // namespace llmm::usage
