#include "base/metrics/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using testing::HasSubstr;

TEST(MetricRegistry, CountsAndTimesAreTold) {
    MetricRegistry metrics;
    metrics.count("requests_total", "Requests.", {{"operation", "listModels"}, {"status", "200"}});
    metrics.count("requests_total", "Requests.", {{"operation", "listModels"}, {"status", "200"}}, 2);
    metrics.count("requests_total", "Requests.", {{"operation", "listModels"}, {"status", "404"}});
    metrics.observe_seconds("request_seconds", "Time.", {{"operation", "listModels"}}, 0.02);
    const std::string text = metrics.exposition({});
    EXPECT_THAT(text, HasSubstr("# TYPE requests_total counter"));
    EXPECT_THAT(text, HasSubstr("requests_total{operation=\"listModels\",status=\"200\"} 3"));
    EXPECT_THAT(text, HasSubstr("requests_total{operation=\"listModels\",status=\"404\"} 1"));
    EXPECT_THAT(text, HasSubstr("request_seconds_bucket{operation=\"listModels\",le=\"0.01\"} 0"));
    EXPECT_THAT(text, HasSubstr("request_seconds_bucket{operation=\"listModels\",le=\"0.05\"} 1"));
}

TEST(MetricRegistry, ReadingsOfOneNameAreOneFamily) {
    const MetricRegistry metrics;
    const std::string text =
        metrics.exposition({{.name = "tasks", .help = "Tasks.", .labels = {{"state", "queued"}}, .value = 4},
                            {.name = "up_seconds", .help = "Up.", .value = 1.5, .counter = true},
                            {.name = "tasks", .help = "Tasks.", .labels = {{"state", "a\"b\n"}}, .value = 1}});
    EXPECT_EQ(text.find("# TYPE tasks gauge"), text.rfind("# TYPE tasks gauge"));
    EXPECT_THAT(text, HasSubstr("tasks{state=\"queued\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("tasks{state=\"a\\\"b\\n\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("# TYPE up_seconds counter"));
}

}  // namespace
}  // namespace llmm
