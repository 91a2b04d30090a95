#include "storage/database_url.hpp"

#include "base/error/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::storage {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DatabaseUrl, reads_a_file) {
    const auto url = DatabaseUrl::parse("sqlite:///var/lib/my%20data/a.db");
    EXPECT_EQ(url.dialect(), Dialect::sqlite);
    EXPECT_EQ(url.file(), "/var/lib/my data/a.db");
}

TEST(DatabaseUrl, reads_a_server) {
    const auto url = DatabaseUrl::parse("postgresql://me:s%40fe%27@db.example:6543/models?sslmode=verify-full");
    EXPECT_EQ(url.dialect(), Dialect::postgresql);
    const std::string connection = url.connection_string().reveal();
    for (const char* part : {"user='me'", "password='s@fe\\''", "host='db.example'", "port=6543", "dbname='models'",
                             "sslmode='verify-full'", "connect_timeout='5'"}) {
        EXPECT_THAT(connection, HasSubstr(part));
    }
}

TEST(DatabaseUrl, reads_other_ways_to_name_the_host) {
    EXPECT_THAT(DatabaseUrl::parse("postgresql://me@[::1]:5433/d").connection_string().reveal(),
                HasSubstr("host='::1'"));
    EXPECT_THAT(DatabaseUrl::parse("postgresql://me@/d?host=/run/postgresql").connection_string().reveal(),
                HasSubstr("host='/run/postgresql'"));
}

TEST(DatabaseUrl, prints_no_password) {
    const auto url = DatabaseUrl::parse("postgresql://me:hunter2@db:5432/models");
    EXPECT_EQ(url.printable(), "postgresql://me@db:5432/models");
}

TEST(DatabaseUrl, refuses_everything_else_without_repeating_it) {
    for (const char* text : {"",
                             "sqlite://",
                             "sqlite:///",
                             "sqlite://relative.db",
                             "sqlite:///a.db?mode=ro",
                             "sqlite:///a%2",
                             "sqlite:///a%zz",
                             "sqlite:///a%00b",
                             "sqlite:///a\"b",
                             "mysql://u:hunter2@h/d",
                             "postgres://u:hunter2@h/d",
                             "postgresql://h/d",
                             "postgresql://u:hunter2@h",
                             "postgresql://u:hunter2@h/",
                             "postgresql://u:hunter2@h/d/e",
                             "postgresql://u:hunter2@h:0/d",
                             "postgresql://u:hunter2@h:65536/d",
                             "postgresql://u:hunter2@h:5x/d",
                             "postgresql://u:hunter2@h:/d",
                             "postgresql://u:hunter2@/d",
                             "postgresql://@h/d",
                             "postgresql://:hunter2@h/d",
                             "postgresql://u:hunter2@x@h/d",
                             "postgresql://u:hunter2@h/d?service=x",
                             "postgresql://u:hunter2@h/d?sslmode",
                             "postgresql://u:hunter2@h/d?sslmode=a&sslmode=b",
                             "postgresql://u:hunter2@h/d?host=x",
                             "postgresql://u:hunter2@[::1/d",
                             "postgresql://u:hunter2@[::1]x/d",
                             "postgresql://u:hunter2@h/d#x"}) {
        try {
            DatabaseUrl::parse(text);
            ADD_FAILURE() << text << " was accepted";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::validation_failed);
            EXPECT_THAT(error.message().en + error.message().zh + error.log_note(), Not(HasSubstr("hunter2"))) << text;
        }
    }
}

}  // namespace llmm::storage
