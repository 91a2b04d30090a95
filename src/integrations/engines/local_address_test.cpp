#include "integrations/engines/local_address.hpp"

#include "base/error/error.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace llmm::engines {
namespace {

TEST(LocalAddress, a_long_home_moves_the_sockets_elsewhere) {
    const test::TemporaryDirectory home;
    const auto directory = socket_directory(home / std::string(100, 'x'));
    EXPECT_LT(directory.native().size(), 80u);
}

TEST(LocalAddress, a_directory_that_others_can_write_is_refused) {
    const test::TemporaryDirectory home;
    std::filesystem::create_directories(home.path() / "run");
    std::filesystem::permissions(home.path() / "run", std::filesystem::perms::all);
    try {
        socket_directory(home.path());
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::engine_unavailable);
    }
}

TEST(LocalAddress, a_free_port_is_free) {
    const int port = find_free_port();
    EXPECT_GT(port, 1023);
    EXPECT_NO_THROW(check_port_free(port));
}

}  // namespace
}  // namespace llmm::engines
