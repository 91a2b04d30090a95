#include "base/process/descriptor_limit.hpp"

#include <sys/resource.h>

#include <gtest/gtest.h>

namespace llmm {

TEST(DescriptorLimit, is_raised_to_what_the_system_allows) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit low{.rlim_cur = 64, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    rlimit after{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQ(after.rlim_cur, before.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(DescriptorLimit, leaves_room_for_the_engines_side_and_for_files) {
    EXPECT_EQ(servable_connections(4096, 524'288), 4096u);
    EXPECT_EQ(servable_connections(4096, 1024), 384u);
    EXPECT_EQ(servable_connections(20'000, 20'000), 9872u);
    EXPECT_EQ(servable_connections(4096, 64), 16u);
    EXPECT_EQ(servable_connections(1, 0), 1u);
}

}  // namespace llmm
