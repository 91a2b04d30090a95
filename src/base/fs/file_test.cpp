#include "base/fs/file.hpp"

#include "base/error/error.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace llmm {
namespace {

namespace fs = std::filesystem;

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

ErrorCode code_of(int error) {
    try {
        throw_errno("x", error);
    } catch (const Error& e) {
        return e.code();
    }
}

}  // namespace

TEST(UniqueFd, closes_once) {
    int number;
    {
        UniqueFd fd = open_file("/dev/null", O_RDONLY);
        number = fd.get();
        UniqueFd other = std::move(fd);
        EXPECT_FALSE(fd);
        EXPECT_TRUE(is_open(number));
        fd = std::move(other);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, release_gives_it_away) {
    UniqueFd fd = open_file("/dev/null", O_RDONLY);
    const int number = fd.release();
    fd.reset();
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

TEST(File, errors_say_when_the_disk_is_full) {
    EXPECT_EQ(code_of(ENOSPC), ErrorCode::disk_full);
    EXPECT_EQ(code_of(EDQUOT), ErrorCode::disk_full);
    EXPECT_EQ(code_of(EIO), ErrorCode::internal);
    // /dev/full answers every write so; with an offset it can't be told from a disk.
    const UniqueFd full = open_file("/dev/full", O_WRONLY);
    EXPECT_THROW(write_all(full.get(), std::as_bytes(std::span("x", 1)), 0), Error);
}

TEST(File, the_path_is_in_the_log_note_only) {
    try {
        open_file("/nowhere/secret-name", O_RDONLY);
        FAIL();
    } catch (const Error& e) {
        EXPECT_EQ(e.message().en.find("secret-name"), std::string::npos);
        EXPECT_NE(e.log_note().find("/nowhere/secret-name: No such file"), std::string::npos) << e.log_note();
    }
}

TEST(File, descriptors_are_not_inherited) {
    EXPECT_NE(::fcntl(open_file("/dev/null", O_RDONLY).get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(File, writes_and_reads_at_offsets) {
    const test::TemporaryDirectory temporary;
    const UniqueFd fd = open_file(temporary / "file", O_RDWR | O_CREAT);
    write_all(fd.get(), std::as_bytes(std::span("world", 5)), 6);
    write_all(fd.get(), std::as_bytes(std::span("hello ", 6)), 0);
    std::string text(20, '?');
    EXPECT_EQ(read_at(fd.get(), std::as_writable_bytes(std::span(text)), 3), 8u);
    EXPECT_EQ(text.substr(0, 8), "lo world");
    EXPECT_EQ(read_at(fd.get(), std::as_writable_bytes(std::span(text)), 100), 0u);
}

TEST(File, text_is_read_up_to_a_limit) {
    const test::TemporaryDirectory temporary;
    write_file_durably(temporary / "file", "12345");
    EXPECT_EQ(read_text_file(temporary / "file", 5), "12345");
    EXPECT_THROW(read_text_file(temporary / "file", 4), Error);
}

TEST(File, durable_write_replaces_and_leaves_nothing_behind) {
    const test::TemporaryDirectory temporary;
    write_file_durably(temporary / "file", "old and long", 0644);
    write_file_durably(temporary / "file", "new", 0640);
    EXPECT_EQ(read_text_file(temporary / "file", 100), "new");
    EXPECT_EQ(static_cast<unsigned>(fs::status(temporary / "file").permissions()), 0640u);
    EXPECT_EQ(std::distance(fs::directory_iterator(temporary.path()), fs::directory_iterator()), 1);
}

TEST(File, a_failed_durable_write_leaves_the_old_content) {
    const test::TemporaryDirectory temporary;
    fs::create_directories(temporary / "target/in-the-way");
    EXPECT_THROW(write_file_durably(temporary / "target", "x"), Error);
    EXPECT_TRUE(fs::is_directory(temporary / "target/in-the-way"));
    EXPECT_EQ(std::distance(fs::directory_iterator(temporary.path()), fs::directory_iterator()), 1);
}

TEST(File, makes_directories_with_the_mode) {
    const test::TemporaryDirectory temporary;
    make_directories(temporary / "a/b/c");
    make_directories(temporary / "a/b/c");
    make_directories(temporary / "a/d/");
    EXPECT_TRUE(fs::is_directory(temporary / "a/d"));
    EXPECT_EQ(fs::status(temporary / "a/b").permissions(), fs::perms::owner_all);
    write_file_durably(temporary / "file", "");
    EXPECT_THROW(make_directories(temporary / "file"), Error);
    EXPECT_THROW(make_directories(temporary / "file/sub"), Error);
}

TEST(File, disk_space_is_plausible) {
    const DiskSpace space = disk_space("/");
    EXPECT_GT(space.total_bytes, 0u);
    EXPECT_LE(space.free_bytes, space.total_bytes);
    EXPECT_THROW(disk_space("/nowhere"), Error);
}

}  // namespace llmm
