#include "http/router.hpp"

#include <gtest/gtest.h>

namespace llmm::http {
namespace {

Router make_router() {
    Router router;
    router.add({Method::get, "/models/{id}", Permission::read, "getModel", {}});
    router.add({Method::del, "/models/{id}", Permission::write, "deleteModel", {}});
    router.add({Method::get, "/models/info", Permission::read, "getInfo", {}});
    router.add({Method::post, "/chat/{session}/messages/{id}/stop", Permission::chat, "stop", {}});
    return router;
}

}  // namespace

TEST(Router, a_fixed_path_wins_over_a_parameter) {
    const Router router = make_router();
    EXPECT_EQ(router.find(Method::get, "/models/info").route->operation, "getInfo");
    const auto match = router.find(Method::get, "/models/42");
    EXPECT_EQ(match.route->operation, "getModel");
    ASSERT_EQ(match.parameters.size(), 1u);
    EXPECT_EQ(match.parameters[0].second, "42");
}

TEST(Router, head_finds_get_and_other_methods_are_named) {
    const Router router = make_router();
    EXPECT_EQ(router.find(Method::head, "/models/42").route->operation, "getModel");
    const auto match = router.find(Method::post, "/models/42");
    EXPECT_EQ(match.route, nullptr);
    EXPECT_EQ(match.allowed.size(), 2u);
}

TEST(Router, an_empty_segment_is_no_parameter) {
    const Router router = make_router();
    EXPECT_EQ(router.find(Method::get, "/models/").route, nullptr);
    EXPECT_TRUE(router.find(Method::get, "/models/").allowed.empty());
    EXPECT_EQ(router.find(Method::get, "/models").route, nullptr);
    const auto match = router.find(Method::post, "/chat/a/messages/b/stop");
    EXPECT_EQ(match.parameters[0], (std::pair<std::string, std::string>("session", "a")));
    EXPECT_EQ(match.parameters[1], (std::pair<std::string, std::string>("id", "b")));
}

}  // namespace llmm::http
