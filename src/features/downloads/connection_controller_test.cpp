#include "features/downloads/connection_controller.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

// A network as a function from connections to bytes/s.
void run(ConnectionController& controller, std::chrono::milliseconds time, const std::function<double(int)>& network) {
    for (auto passed = 0ms; passed < time; passed += 250ms) {
        const int n = controller.target();
        controller.sample(static_cast<std::uint64_t>(network(n) / 4), 250ms, n);
    }
}

}  // namespace

TEST(ConnectionController, uses_all_connections_when_each_is_capped) {
    ConnectionController controller({});
    run(controller, 3s, [](int n) { return 8e6 * n; });
    EXPECT_EQ(controller.target(), 16);
}

TEST(ConnectionController, stays_with_few_when_more_bring_nothing) {
    ConnectionController controller({});
    int most = 0;
    run(controller, 60s, [&](int n) {
        most = std::max(most, n);
        return 100e6;
    });
    EXPECT_EQ(controller.target(), 4);
    EXPECT_LE(most, 8);
}

TEST(ConnectionController, finds_the_plateau) {
    ConnectionController controller({});
    run(controller, 60s, [](int n) { return std::min(100e6, 14e6 * n); });
    EXPECT_GE(controller.target(), 7);
    EXPECT_LE(controller.target(), 9);
}

TEST(ConnectionController, heeds_the_cap_of_a_source) {
    ConnectionController controller({.start = 4, .most = 8});
    run(controller, 30s, [](int n) { return 1e6 * n; });
    EXPECT_EQ(controller.target(), 8);
}

TEST(ConnectionController, leaves_few_connections_after_a_collapse) {
    ConnectionController controller({});
    run(controller, 30s, [](int n) { return 20e6 * n; });
    ASSERT_EQ(controller.target(), 16);
    run(controller, 15s, [](int n) { return n > 4 ? 1e6 : 20e6 * n; });
    EXPECT_EQ(controller.collapses(), 1);
    EXPECT_EQ(controller.target(), 2);
}

TEST(ConnectionController, does_not_judge_connections_that_are_not_in_use) {
    ConnectionController controller({});
    for (int i = 0; i < 100; ++i)
        controller.sample(1000, 250ms, 1);
    EXPECT_EQ(controller.target(), 4);
}

TEST(ConnectionController, has_half_when_refused) {
    ConnectionController controller({.start = 8, .most = 16});
    controller.refused();
    EXPECT_EQ(controller.target(), 4);
}

}  // namespace llmm::downloads
