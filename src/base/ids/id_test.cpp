#include "base/ids/id.hpp"

#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace llmm {

TEST(Id, ids_of_one_thread_sort_in_the_order_they_were_made) {
    std::string previous;
    for (int i = 0; i < 100'000; ++i) {
        std::string next = make_uuid_v7();
        ASSERT_LT(previous, next);
        previous = std::move(next);
    }
}

TEST(Id, says_version_7_and_the_rfc_variant) {
    const std::string id = make_uuid_v7();
    ASSERT_TRUE(is_uuid(id));
    EXPECT_EQ(id[14], '7');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

TEST(Id, parse_refuses_what_is_not_a_uuid) {
    EXPECT_TRUE(ModelId::parse("0192f0c1-2b3c-7def-8123-456789abcdef"));
    for (const char* bad :
         {"", "0192f0c1", "0192f0c1-2b3c-7def-8123-456789abcdeg", "0192F0C1-2b3c-7def-8123-456789abcdef",
          "0192f0c12b3c-7def-8123-456789abcdef--", "../../../../../../../../../etc/passwd"}) {
        EXPECT_FALSE(ModelId::parse(bad)) << bad;
    }
}

}  // namespace llmm
