#include "app/cli/table.hpp"

#include <gtest/gtest.h>

namespace llmm::app::cli {
namespace {

TEST(Table, aligns_columns_with_wide_characters) {
    Table table({{"名称"}, {"SIZE", Align::right}, {"X"}});
    table.add({"a", "1 B", ""});
    table.add({"模型库", "10.0 MB", "y"});
    EXPECT_EQ(table.str(),
              "名称       SIZE  X\n"
              "a           1 B  -\n"
              "模型库  10.0 MB  y\n");
}

TEST(Table, shortens_the_widest_column_to_fit) {
    Table table({{"NAME"}, {"REF"}});
    table.add({"tiny", "huggingface:org/name"});
    EXPECT_EQ(table.str(16),
              "NAME  REF\n"
              "tiny  huggingfa…\n");
}

TEST(Table, shows_no_control_characters) {
    Table table({{"NAME"}});
    table.add({"a\x1b[2Jb\nc"});
    EXPECT_EQ(table.str(), "NAME\na[2Jb c\n");
}

}  // namespace
}  // namespace llmm::app::cli
