#include "base/fs/local_roots.hpp"

#include "base/error/error.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

namespace llmm {
namespace {

namespace fs = std::filesystem;

struct LocalRootsTest : testing::Test {
    test::TemporaryDirectory directory;
    fs::path root = directory.path() / "root", secret = directory.path() / "secret";

    LocalRootsTest() {
        fs::create_directories(root / "folder");
        fs::create_directories(secret);
        std::ofstream(root / "folder/a.gguf") << "GGUF";
        std::ofstream(secret / "b.gguf") << "GGUF";
    }
    LocalRoots roots() const { return LocalRoots({root}); }
    ErrorCode code_of(const fs::path& path) const {
        try {
            roots().open_file(path);
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::cancelled;  // opened
    }
};

}  // namespace

TEST_F(LocalRootsTest, opens_what_is_inside_and_nothing_else) {
    fs::create_symlink(secret / "b.gguf", root / "out.gguf");
    fs::create_symlink(secret, root / "outside");
    fs::create_symlink("folder/a.gguf", root / "in.gguf");
    ::mkfifo((root / "pipe.gguf").c_str(), 0600);
    EXPECT_EQ(code_of(root / "folder/a.gguf"), ErrorCode::cancelled);
    EXPECT_EQ(code_of(root / "in.gguf"), ErrorCode::cancelled);
    EXPECT_EQ(code_of(root / "out.gguf"), ErrorCode::unsafe_file);
    EXPECT_EQ(code_of(root / "outside/b.gguf"), ErrorCode::unsafe_file);
    EXPECT_EQ(code_of(root / "pipe.gguf"), ErrorCode::unsafe_file);
    EXPECT_EQ(code_of(root / "folder"), ErrorCode::unsafe_file);
    EXPECT_EQ(code_of(root / "missing"), ErrorCode::hub_file_not_found);
    EXPECT_EQ(code_of(secret / "b.gguf"), ErrorCode::url_forbidden);
    EXPECT_EQ(code_of(directory.path() / "root2/x"), ErrorCode::url_forbidden);
}

TEST_F(LocalRootsTest, lists_files_in_order_and_at_most_so_many) {
    std::ofstream(root / "folder/0.gguf") << "GGUF";
    const auto files = roots().list(root, 10);
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].path, "folder/0.gguf");
    EXPECT_EQ(files[1].size, 4u);
    EXPECT_THROW(roots().list(root, 1), Error);
    EXPECT_EQ(roots().list(root / "folder/a.gguf", 1).at(0).path, "a.gguf");
}

TEST(LocalRoots, reads_absolute_paths_without_tricks) {
    EXPECT_EQ(LocalRoots::parse("/srv/models/"), fs::path("/srv/models"));
    EXPECT_EQ(LocalRoots::parse("/home/me/.cache/hub"), fs::path("/home/me/.cache/hub"));
    for (const char* bad : {"", "/", "relative", "/a/../b", "/a/./b", "/a//b", "/a\\b", "/a:b", "/a\nb", "/...", "/a "})
        EXPECT_FALSE(LocalRoots::parse(bad)) << bad;
    EXPECT_TRUE(LocalRoots({}).empty());
}

}  // namespace llmm
