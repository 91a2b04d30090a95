#include "base/fs/safe_path.hpp"

#include "base/error/error.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <fstream>

#include <gtest/gtest.h>

namespace llmm {
namespace {

namespace fs = std::filesystem;

SafePath path(std::string_view text) {
    return SafePath::parse(text).value();
}

void put(const fs::path& file, std::string_view content) {
    std::ofstream(file) << content;
}

ErrorCode code_of(const auto& action) {
    try {
        action();
    } catch (const Error& e) {
        return e.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorCode::internal;
}

}  // namespace

TEST(SafePath, takes_what_hubs_list) {
    for (const std::string& good :
         {std::string("config.json"), std::string(".gitattributes"), std::string("Q4_K_M/model-00001-of-00002.gguf"),
          std::string("my model (v1.5)..gguf"), std::string("模型/权重.gguf"), std::string("console.log"),
          std::string("com"), std::string("com10.txt"), std::string(255, 'x'), std::string("a/...b")}) {
        const auto parsed = SafePath::parse(good);
        ASSERT_TRUE(parsed) << good;
        EXPECT_EQ(parsed->str(), good);
    }
}

TEST(SafePath, refuses_what_could_lead_elsewhere) {
    std::string deep = "a";
    for (int i = 0; i < 32; ++i)
        deep += "/a";
    std::string wide(200, 'y');
    for (int i = 0; i < 5; ++i)
        wide += "/" + std::string(200, 'y');
    for (const std::string& bad : {std::string(),
                                   std::string(".."),
                                   std::string("../a"),
                                   std::string("a/../b"),
                                   std::string("a/.."),
                                   std::string("."),
                                   std::string("./a"),
                                   std::string("/a"),
                                   std::string("a//b"),
                                   std::string("a/"),
                                   std::string("..\\a"),
                                   std::string("C:a"),
                                   std::string("a:b"),
                                   std::string("a\0b", 3),
                                   std::string("a\nb"),
                                   std::string("a\x7f"),
                                   std::string("a\u0085"),
                                   std::string("a\u202eb"),
                                   std::string("a\u200bb"),
                                   std::string(" a"),
                                   std::string("a "),
                                   std::string("a /b"),
                                   std::string("a."),
                                   std::string("..."),
                                   std::string(256, 'x'),
                                   deep,
                                   wide}) {
        EXPECT_FALSE(SafePath::parse(bad)) << bad;
    }
}

TEST(SafePath, refuses_windows_devices) {
    for (const char* bad :
         {"CON", "prn", "a/Aux", "nul.txt", "NUL.tar.gz", "com1", "LPT9.log", "aux .txt", "com\u00b9", "conin$"}) {
        EXPECT_FALSE(SafePath::parse(bad)) << bad;
    }
}

TEST(SafePath, refuses_malformed_utf8) {
    for (const char* bad :
         {"a\xc0\xaf", "\xe0\x80\xae", "a\xed\xa0\x80", "a\xe4\xb8", "\x80", "\xf4\x90\x80\x80", "\xff"}) {
        EXPECT_FALSE(SafePath::parse(bad)) << bad;
    }
}

TEST(SafePath, file_name_is_the_last_component) {
    EXPECT_EQ(path("a/b/c.txt").file_name(), "c.txt");
    EXPECT_EQ(path("c.txt").file_name(), "c.txt");
}

TEST(SafePath, names_that_differ_in_case_fold_alike) {
    EXPECT_EQ(path("A/ReadMe.MD").folded(), path("a/readme.md").folded());
    EXPECT_EQ(path("ÜBER-ŁŸŽ.bin").folded(), "über-łÿž.bin");
    EXPECT_EQ(path("模×÷ß.bin").folded(), "模×÷ß.bin");
    EXPECT_NE(path("a").folded(), path("b").folded());
}

TEST(GuardedDirectory, makes_its_root_and_files_below_it) {
    const test::TemporaryDirectory temporary;
    const GuardedDirectory directory(temporary / "x/store");
    directory.make_parents(path("a/b/file"));
    write_all(directory.open(path("a/b/file"), O_WRONLY | O_CREAT | O_EXCL, 0640).get(),
              std::as_bytes(std::span("hello", 5)), 0);
    EXPECT_EQ(read_text_file(temporary / "x/store/a/b/file", 100), "hello");
    EXPECT_EQ(fs::status(temporary / "x/store/a").permissions(), fs::perms::owner_all);
    EXPECT_EQ(code_of([&] { directory.open(path("missing"), O_RDONLY); }), ErrorCode::internal);
}

TEST(GuardedDirectory, follows_no_link) {
    const test::TemporaryDirectory temporary;
    fs::create_directories(temporary / "outside");
    put(temporary / "outside/secret", "secret");
    const GuardedDirectory directory(temporary / "root");
    fs::create_directory_symlink(temporary / "outside", temporary / "root/dir");
    fs::create_symlink(temporary / "outside/secret", temporary / "root/file");
    fs::create_symlink("file-inside", temporary / "root/inside");
    put(temporary / "root/file-inside", "x");
    fs::create_directory_symlink(".", temporary / "root/alias");

    for (const char* name : {"dir/secret", "file", "inside", "alias/file-inside"}) {
        EXPECT_EQ(code_of([&] { directory.open(path(name), O_RDONLY); }), ErrorCode::unsafe_file) << name;
    }
    EXPECT_EQ(code_of([&] { directory.open(path("dir/new"), O_WRONLY | O_CREAT); }), ErrorCode::unsafe_file);
    EXPECT_THROW(directory.make_parents(path("dir/sub/new")), Error);
    EXPECT_THROW(directory.remove(path("dir/secret")), Error);
    EXPECT_THROW(directory.link_to(path("dir/link"), temporary / "root/file-inside"), Error);
    EXPECT_EQ(std::distance(fs::directory_iterator(temporary / "outside"), fs::directory_iterator()), 1);
}

TEST(GuardedDirectory, links_are_relative_and_replaced_in_place) {
    const test::TemporaryDirectory temporary;
    const GuardedDirectory directory(temporary / "root");
    fs::create_directories(temporary / "blobs");
    put(temporary / "blobs/one", "1");
    put(temporary / "blobs/two", "2");
    const SafePath link = path("a/model.bin");
    directory.make_parents(link);
    directory.link_to(link, temporary / "blobs/one");
    EXPECT_EQ(read_text_file(temporary / "root/a/model.bin", 10), "1");
    EXPECT_EQ(fs::read_symlink(temporary / "root/a/model.bin"), "../../blobs/one");
    directory.link_to(link, temporary / "blobs/two");
    EXPECT_EQ(read_text_file(temporary / "root/a/model.bin", 10), "2");
    EXPECT_EQ(std::distance(fs::directory_iterator(temporary / "root/a"), fs::directory_iterator()), 1);
}

TEST(GuardedDirectory, links_work_below_a_root_that_is_reached_through_a_link) {
    const test::TemporaryDirectory temporary;
    fs::create_directories(temporary / "disk/deep/real");
    fs::create_directory_symlink(temporary / "disk/deep/real", temporary / "root");
    put(temporary / "blob", "content");
    const GuardedDirectory directory(temporary / "root");
    directory.link_to(path("link"), temporary / "blob");
    EXPECT_EQ(read_text_file(temporary / "root/link", 10), "content");
}

TEST(GuardedDirectory, remove_takes_empty_parents_along) {
    const test::TemporaryDirectory temporary;
    const GuardedDirectory directory(temporary / "root");
    directory.make_parents(path("a/b/c/file"));
    put(temporary / "root/a/b/c/file", "x");
    put(temporary / "root/a/kept", "x");
    directory.remove(path("a/b/c/file"));
    EXPECT_FALSE(fs::exists(temporary / "root/a/b"));
    EXPECT_TRUE(fs::exists(temporary / "root/a/kept"));
    directory.remove(path("a/kept"));
    EXPECT_TRUE(fs::exists(temporary / "root"));
    EXPECT_FALSE(fs::exists(temporary / "root/a"));
    EXPECT_NO_THROW(directory.remove(path("a/b/missing")));
}

}  // namespace llmm
