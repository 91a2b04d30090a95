#include "features/downloads/speed_schedule.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

enum Day { mon, tue, wed, thu, fri, sat, sun };

// The limit that holds then; -1: none of the windows does.
std::int64_t limit_at(const SpeedSchedule& schedule, Day day, std::chrono::minutes time) {
    const auto* window = schedule.window_at({day, time});
    return window ? static_cast<std::int64_t>(window->limit) : -1;
}

SpeedSchedule schedule_of(std::initializer_list<std::string_view> texts) {
    std::vector<SpeedSchedule::Window> windows;
    for (const auto text : texts)
        windows.push_back(SpeedSchedule::parse(text).value());
    return SpeedSchedule(std::move(windows));
}

}  // namespace

TEST(SpeedSchedule, holds_from_the_first_minute_to_the_last) {
    const auto schedule = schedule_of({"mon-fri 08:00-18:00 5M"});
    EXPECT_EQ(limit_at(schedule, mon, 7h + 59min), -1);
    EXPECT_EQ(limit_at(schedule, mon, 8h), 5'000'000);
    EXPECT_EQ(limit_at(schedule, fri, 17h + 59min), 5'000'000);
    EXPECT_EQ(limit_at(schedule, fri, 18h), -1);
    EXPECT_EQ(limit_at(schedule, sat, 12h), -1);
    EXPECT_EQ(limit_at(schedule, sun, 12h), -1);
}

TEST(SpeedSchedule, a_window_past_midnight_belongs_to_the_day_on_which_it_begins) {
    const auto schedule = schedule_of({"sun 22:00-06:30 100K"});
    EXPECT_EQ(limit_at(schedule, sun, 21h + 59min), -1);
    EXPECT_EQ(limit_at(schedule, sun, 23h), 100'000);
    EXPECT_EQ(limit_at(schedule, mon, 0h), 100'000);
    EXPECT_EQ(limit_at(schedule, mon, 6h + 29min), 100'000);
    EXPECT_EQ(limit_at(schedule, mon, 6h + 30min), -1);
    EXPECT_EQ(limit_at(schedule, mon, 23h), -1);
    EXPECT_EQ(limit_at(schedule, sun, 3h), -1);
}

TEST(SpeedSchedule, the_first_window_that_fits_counts) {
    const auto schedule = schedule_of({"wed 12:00-13:00 0", "daily 00:00-24:00 2048", "wed 00:00-24:00 7"});
    EXPECT_EQ(limit_at(schedule, wed, 12h + 30min), 0);
    EXPECT_EQ(limit_at(schedule, wed, 13h), 2048);
    EXPECT_EQ(limit_at(schedule, thu, 23h + 59min), 2048);
}

TEST(SpeedSchedule, days_go_round_the_end_of_the_week) {
    const auto schedule = schedule_of({"sat-mon 00:00-24:00 1G"});
    EXPECT_EQ(limit_at(schedule, fri, 12h), -1);
    EXPECT_EQ(limit_at(schedule, sat, 0h), 1'000'000'000);
    EXPECT_EQ(limit_at(schedule, sun, 12h), 1'000'000'000);
    EXPECT_EQ(limit_at(schedule, mon, 23h + 59min), 1'000'000'000);
    EXPECT_EQ(limit_at(schedule, tue, 0h), -1);
}

TEST(SpeedSchedule, nothing_else_is_a_window) {
    for (const auto text : {"", "mon", "mon 08:00", "mon 08:00-18:00", "mon 8:00-18:00 5M", "mon 08:00-18:00 5X",
                            "mon 08:00-18:00 -5", "mon 08:00-18:00 5M more", "mon 08:60-18:00 5M", "mon 24:00-06:00 5M",
                            "mon 08:00-24:01 5M", "Mon 08:00-18:00 5M", "mon-xyz 08:00-18:00 5M", "mon 08:00-08:00 5M",
                            "mon 08:00-18:00 99999999999G", "mon 08:00–18:00 5M"}) {
        EXPECT_FALSE(SpeedSchedule::parse(text)) << text;
    }
}

TEST(SpeedSchedule, reads_the_clock_of_this_machine) {
    const auto zone = std::getenv("TZ");
    const std::string before = zone ? zone : "";
    const auto set_zone = [](const std::string& name) {
        name.empty() ? ::unsetenv("TZ") : ::setenv("TZ", name.c_str(), 1);
        ::tzset();
    };
    const TimePoint moment = parse_rfc3339("2026-01-04T23:30:00Z").value();  // a Sunday
    set_zone("UTC0");
    EXPECT_EQ(week_time(moment).weekday, sun);
    EXPECT_EQ(week_time(moment).time, 23h + 30min);
    set_zone("CST-8");  // Shanghai: Monday by now
    EXPECT_EQ(week_time(moment).weekday, mon);
    EXPECT_EQ(week_time(moment).time, 7h + 30min);
    set_zone(before);
}

}  // namespace llmm::downloads
