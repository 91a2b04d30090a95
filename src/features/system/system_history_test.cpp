#include "features/system/system_history.hpp"

#include <gtest/gtest.h>

namespace llmm::system {
namespace {

Resources with_cpu(std::optional<double> percent) {
    Resources resources;
    resources.cpu_percent = percent;
    return resources;
}

TEST(History, KeepsWhatIsAskedForAndForgetsTheOldest) {
    History history;
    const TimePoint start = from_epoch_ms(1'000'000);
    for (std::size_t i = 0; i < History::kKept + 3; ++i)
        history.add(start + i * History::kInterval, with_cpu(static_cast<double>(i)));
    const auto all = history.since(Metric::cpu_percent, start);
    ASSERT_EQ(all.size(), History::kKept);
    EXPECT_EQ(all.front().value, 3.0);
    EXPECT_EQ(all.back().value, static_cast<double>(History::kKept + 2));
    const auto last = history.since(Metric::cpu_percent, all.back().time - History::kInterval);
    ASSERT_EQ(last.size(), 2u);
    EXPECT_LT(last[0].time, last[1].time);
}

TEST(History, UnknownStaysUnknown) {
    History history;
    history.add(from_epoch_ms(5), with_cpu(std::nullopt));
    const auto points = history.since(Metric::cpu_percent, from_epoch_ms(0));
    ASSERT_EQ(points.size(), 1u);
    EXPECT_FALSE(points[0].value);
    EXPECT_FALSE(history.since(Metric::gpu_memory_used, from_epoch_ms(0))[0].value);
}

TEST(Metric, NamesAreReadBack) {
    for (std::size_t i = 0; i < kMetricCount; ++i)
        EXPECT_EQ(parse_metric(name_of(static_cast<Metric>(i))), static_cast<Metric>(i));
    EXPECT_FALSE(parse_metric("cpu"));
}

TEST(Metric, GpusAreTakenTogetherAsFarAsTheyTell) {
    Resources resources;
    hardware::Gpu known, silent;
    known.usage_percent = 40;
    known.memory_used = 100;
    resources.gpus = {known, silent, known};
    EXPECT_EQ(value_of(resources, Metric::gpu_usage_percent), 40.0);
    EXPECT_EQ(value_of(resources, Metric::gpu_memory_used), 200.0);
}

}  // namespace
}  // namespace llmm::system
