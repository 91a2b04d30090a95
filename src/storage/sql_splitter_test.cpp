#include "storage/sql_splitter.hpp"

#include "base/error/error.hpp"

#include <gtest/gtest.h>

namespace llmm::storage {

using Statements = std::vector<std::string>;

TEST(SqlSplitter, cuts_at_semicolons_and_drops_empty_statements) {
    EXPECT_EQ(split_statements("SELECT 1;\n\n;SELECT 2"), (Statements{"SELECT 1", "SELECT 2"}));
    EXPECT_EQ(split_statements(" ; \n"), Statements{});
}

TEST(SqlSplitter, semicolons_and_dashes_in_quotes_are_text) {
    EXPECT_EQ(split_statements("INSERT INTO t VALUES ('a;--b''c;');SELECT \"x;\"\"y\""),
              (Statements{"INSERT INTO t VALUES ('a;--b''c;')", "SELECT \"x;\"\"y\""}));
}

TEST(SqlSplitter, comments_disappear_with_their_quotes_and_colons) {
    EXPECT_EQ(split_statements("-- it's :one; thing\nSELECT/* a;'/* nested */ */1; -- end"), Statements{"SELECT 1"});
}

TEST(SqlSplitter, refuses_what_never_ends) {
    for (const char* script : {"SELECT 'a", "SELECT \"a", "/* a", "/* /* a */", "/*/"}) {
        EXPECT_THROW(split_statements(script), Error) << script;
    }
}

}  // namespace llmm::storage
