#include "features/usage/usage_journal.hpp"

#include "support/temporary_directory.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace llmm::usage {
namespace {

class UsageJournalTest : public testing::Test {
  public:
    static Usage row(std::string model) {
        return {.at = from_epoch_ms(1'700'000'000'123),
                .caller = "tab\there, line\nthere, \\ and 你好",
                .model = std::move(model),
                .deployment = "",
                .dialect = "openai",
                .operation = "chat.completions",
                .status = 200,
                .streamed = true,
                .tokens_in = 0,
                .tokens_out = 7,
                .tokens_cached = std::nullopt,
                .first_token_ms = 0.1,
                .total_ms = 12.5,
                .error = "\\t"};
    }
    std::vector<Usage> left() { return UsageJournal(path).take_left(); }
    std::string content() {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    test::TemporaryDirectory home;
    std::filesystem::path path = home / "usage.journal";
};

}  // namespace

TEST_F(UsageJournalTest, rows_come_back_as_they_ended) {
    const Usage first = row("a"), second = row("b");
    {
        UsageJournal journal(path);
        EXPECT_TRUE(journal.take_left().empty());
        journal.begin(first);
        journal.begin(second);
        journal.end(second);
        journal.end(first);
    }
    EXPECT_EQ(left(), (std::vector{first, second}));
    EXPECT_EQ(left(), (std::vector{first, second})) << "they stay until somebody has stored them";
}

TEST_F(UsageJournalTest, a_request_that_never_ended_was_interrupted) {
    Usage open = row("");
    open.status = 0;
    {
        UsageJournal journal(path);
        journal.begin(open);
        open.model = "found";
        journal.begin(open);
    }
    const auto rows = left();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].model, "found");
    EXPECT_EQ(rows[0].error, kInterrupted);
    EXPECT_EQ(rows[0].status, 500);
    EXPECT_GT(rows[0].total_ms, 1e9) << "since 2023";
}

TEST_F(UsageJournalTest, starting_over_keeps_only_what_is_named) {
    const Usage open = row("open"), ended = row("ended"), gone = row("gone");
    UsageJournal journal(path);
    for (const Usage& each : {open, ended, gone})
        journal.begin(each);
    journal.start_over(std::vector{&open}, std::vector{ended});
    journal.end(open);
    EXPECT_EQ(parse_usage_journal(content(), now()), (std::vector{open, ended}));
    journal.start_over({}, {});
    EXPECT_TRUE(content().empty());
}

TEST_F(UsageJournalTest, it_is_long_when_much_of_it_can_go) {
    UsageJournal journal(path);
    Usage big = row(std::string(400'000, 'm'));
    journal.end(big);
    journal.end(big);
    EXPECT_FALSE(journal.is_long());
    journal.end(big);
    EXPECT_TRUE(journal.is_long());
    journal.start_over({}, std::vector{big, big, big});
    journal.end(big);
    EXPECT_FALSE(journal.is_long()) << "what must stay doesn't count";
}

TEST_F(UsageJournalTest, half_lines_and_junk_are_left_out) {
    const Usage whole = row("a");
    {
        UsageJournal journal(path);
        journal.end(whole);
        journal.end(row("b"));
    }
    const std::string lines = content();
    for (std::size_t size = lines.find('\n') + 1; size < lines.size(); ++size) {
        EXPECT_EQ(parse_usage_journal(std::string_view(lines).substr(0, size), now()), std::vector{whole}) << size;
    }
    const std::string junk = "\n\n\t\t\nb\nx" + lines.substr(0, lines.find('\n') + 1) + std::string(300, '\0') + "\n";
    EXPECT_TRUE(parse_usage_journal(junk, now()).empty());
    EXPECT_EQ(parse_usage_journal(junk + lines, now()).size(), 2u);
}

TEST_F(UsageJournalTest, a_place_that_cannot_be_written_stops_nothing) {
    UsageJournal journal(home / "missing" / "usage.journal");
    journal.begin(row("a"));
    journal.end(row("a"));
    journal.start_over({}, std::vector{row("a")});
    EXPECT_TRUE(journal.take_left().empty());
}

}  // namespace llmm::usage
