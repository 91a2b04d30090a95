#include "features/auth/auth_service.hpp"

#include "base/fs/file.hpp"
#include "support/temporary_directory.hpp"

#include <sys/stat.h>

#include <gtest/gtest.h>

namespace llmm::auth {

TEST(AuthService, makes_a_private_key_once_and_keeps_it) {
    const test::TemporaryDirectory home;
    const auto file = home / "secrets/admin-key";
    const AuthService first(AuthService::Mode::key, {}, file);
    ASSERT_TRUE(first.new_key());
    struct stat status{};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);

    const AuthService second(AuthService::Mode::key, {}, file);
    EXPECT_FALSE(second.new_key());
    EXPECT_TRUE(second.is_valid(first.new_key()->reveal()));
    EXPECT_FALSE(second.is_valid(first.new_key()->reveal() + "x"));
    EXPECT_FALSE(second.is_valid(""));
}

TEST(AuthService, a_preset_key_leaves_no_file) {
    const test::TemporaryDirectory home;
    const AuthService service(AuthService::Mode::key, SecretString("preset"), home / "admin-key");
    EXPECT_TRUE(service.is_valid("preset"));
    EXPECT_FALSE(std::filesystem::exists(home / "admin-key"));
}

TEST(AuthService, an_empty_key_file_is_refused_and_not_taken_for_no_key) {
    const test::TemporaryDirectory home;
    write_file_durably(home / "admin-key", "\n");
    EXPECT_ANY_THROW(AuthService(AuthService::Mode::key, {}, home / "admin-key"));
}

}  // namespace llmm::auth
