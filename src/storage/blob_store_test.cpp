#include "storage/blob_store.hpp"

#include "base/error/error.hpp"
#include "support/temporary_directory.hpp"

#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::storage {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

class BlobStoreTest : public ::testing::Test {
  protected:
    fs::path part(const std::string& content) {
        const fs::path path = directory / "part";
        std::ofstream(path) << content;
        return path;
    }
    Sha256 publish(const std::string& content) {
        const Sha256 digest = Sha256::of(content);
        store.publish(part(content), digest, content.size());
        return digest;
    }
    bool verify(const Sha256& digest) { return store.verify(digest, {}, never); }

    const std::atomic<bool> never = false;
    test::TemporaryDirectory directory;
    BlobStore store{directory / "store"};
};

TEST_F(BlobStoreTest, publishes_under_the_digest_read_only_and_takes_the_part_away) {
    const Sha256 digest = publish("abc");
    EXPECT_EQ(store.path_of(digest), directory / "store/blobs/sha256/ba" / digest.hex());
    EXPECT_EQ(read_file(store.path_of(digest)), "abc");
    EXPECT_TRUE(store.exists(digest));
    EXPECT_FALSE(fs::exists(directory / "part"));
    struct ::stat info{};
    ASSERT_EQ(::stat(store.path_of(digest).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0444U);
}

TEST_F(BlobStoreTest, a_blob_that_was_just_read_stays_and_the_part_goes) {
    const Sha256 digest = publish("abc");
    fs::create_hard_link(store.path_of(digest), directory / "same");
    const SafePath link = *SafePath::parse("demo/a/1/model.gguf");
    const std::vector<BlobStore::Part> parts{{part("abc"), digest, 3, link, true}};
    store.publish_all(parts);
    EXPECT_TRUE(fs::equivalent(store.path_of(digest), directory / "same"));
    EXPECT_FALSE(fs::exists(directory / "part"));
    EXPECT_EQ(read_file(store.model_path(link)), "abc");
    // Somebody has deleted it meanwhile.
    store.remove(digest);
    part("abc");
    store.publish_all(parts);
    EXPECT_TRUE(verify(digest));
}

TEST_F(BlobStoreTest, a_damaged_blob_of_the_right_size_does_not_swallow_a_good_file) {
    const Sha256 digest = publish("abc");
    fs::permissions(store.path_of(digest), fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(store.path_of(digest)) << "abd";
    std::ifstream engine(store.path_of(digest));  // it goes on with what it has open
    fs::create_hard_link(store.path_of(digest), directory / "elsewhere");
    publish("abc");
    EXPECT_TRUE(verify(digest));
    std::ostringstream open;
    open << engine.rdbuf();
    EXPECT_EQ(open.str(), "abd");
    EXPECT_EQ(read_file(directory / "elsewhere"), "abd");
    EXPECT_FALSE(fs::exists(directory / "part"));
}

TEST_F(BlobStoreTest, another_name_of_the_blob_itself_is_taken_away) {
    const Sha256 digest = publish("abc");
    fs::create_hard_link(store.path_of(digest), directory / "part");
    store.publish(directory / "part", digest, 3);
    EXPECT_TRUE(verify(digest));
    EXPECT_FALSE(fs::exists(directory / "part"));
}

TEST_F(BlobStoreTest, publishes_many_files_with_their_links) {
    std::vector<BlobStore::Part> parts;
    for (int i = 0; i < 40; ++i) {
        const std::string content = "content " + std::to_string(i % 30);  // some twice
        const fs::path path = directory / ("part" + std::to_string(i));
        std::ofstream(path) << content;
        parts.push_back(
            {path, Sha256::of(content), content.size(), *SafePath::parse("huggingface/a/b/main/" + std::to_string(i))});
    }
    store.publish_all(parts);
    for (const auto& part : parts) {
        EXPECT_FALSE(fs::exists(part.path));
        EXPECT_TRUE(store.exists(part.digest, part.size));
        EXPECT_FALSE(store.exists(part.digest, part.size + 1));
        EXPECT_TRUE(verify(part.digest));
        EXPECT_EQ(read_file(store.model_path(part.link)), read_file(store.path_of(part.digest)));
    }
    EXPECT_EQ(store.list().size(), 30U);
    EXPECT_TRUE(store.dangling_links().empty());
}

TEST_F(BlobStoreTest, a_truncated_blob_is_replaced_by_a_good_one) {
    const Sha256 digest = publish("abc");
    fs::permissions(store.path_of(digest), fs::perms::owner_write, fs::perm_options::add);
    fs::resize_file(store.path_of(digest), 1);
    publish("abc");
    EXPECT_TRUE(verify(digest));
}

TEST_F(BlobStoreTest, refuses_a_part_of_another_size_or_kind) {
    const Sha256 digest = Sha256::of("abc");
    try {
        store.publish(part("abcd"), digest, 3);
        ADD_FAILURE() << "published";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::digest_mismatch);
    }
    EXPECT_TRUE(fs::exists(directory / "part"));
    fs::create_symlink(part("abc"), directory / "link");
    EXPECT_THROW(store.publish(directory / "link", digest, 3), Error);
    EXPECT_THROW(store.publish(directory / "missing", digest, 3), Error);
    EXPECT_FALSE(store.exists(digest));
}

TEST_F(BlobStoreTest, verify_detects_a_flipped_byte) {
    std::string content(3'000'000, 'x');
    const Sha256 digest = publish(content);
    EXPECT_TRUE(verify(digest));
    fs::permissions(store.path_of(digest), fs::perms::owner_write, fs::perm_options::add);
    std::fstream file(store.path_of(digest), std::ios::in | std::ios::out);
    file.seekp(2'500'000);
    file.put('y');
    file.close();
    EXPECT_FALSE(verify(digest));
}

TEST_F(BlobStoreTest, verify_of_a_missing_blob_is_false) {
    EXPECT_FALSE(verify(Sha256::of("abc")));
}

TEST_F(BlobStoreTest, verify_tells_how_far_it_is_and_stops_when_told) {
    const Sha256 digest = publish(std::string(3'000'000, 'x'));
    std::vector<std::uint64_t> steps;
    store.verify(digest, [&](std::uint64_t done) { steps.push_back(done); }, never);
    ASSERT_GE(steps.size(), 2U);
    EXPECT_TRUE(std::ranges::is_sorted(steps));
    EXPECT_EQ(steps.back(), 3'000'000U);

    std::atomic<bool> cancelled = false;
    int calls = 0;
    try {
        store.verify(digest, [&](std::uint64_t) { ++calls, cancelled = true; }, cancelled);
        ADD_FAILURE() << "not cancelled";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_EQ(calls, 1);
}

TEST_F(BlobStoreTest, removes_once) {
    const Sha256 digest = publish("abc");
    EXPECT_TRUE(store.remove(digest));
    EXPECT_FALSE(store.exists(digest));
    EXPECT_FALSE(store.remove(digest));
    EXPECT_FALSE(store.remove(Sha256::of("never there")));
}

TEST_F(BlobStoreTest, lists_blobs_and_nothing_else) {
    const Sha256 one = publish("abc");
    const Sha256 two = publish("another");
    const fs::path shard = store.path_of(one).parent_path();
    std::ofstream(shard / "README") << "x";
    std::ofstream(shard / std::string(64, '0')) << "in the wrong shard";
    fs::create_symlink("/etc/passwd", shard / ("ba" + std::string(62, '1')));
    fs::create_directory(shard / ("ba" + std::string(62, '2')));
    std::vector<std::pair<std::string, std::uint64_t>> found;
    for (const auto& blob : store.list())
        found.emplace_back(blob.digest.hex(), blob.size);
    EXPECT_THAT(found, ::testing::UnorderedElementsAre(std::pair(one.hex(), 3U), std::pair(two.hex(), 7U)));
}

TEST_F(BlobStoreTest, links_are_relative_and_survive_a_move_of_the_store) {
    const Sha256 digest = publish("abc");
    const SafePath path = *SafePath::parse("huggingface/org/name/main/sub/model.gguf");
    store.link(path, digest);
    EXPECT_EQ(read_file(store.model_path(path)), "abc");
    EXPECT_TRUE(fs::read_symlink(store.model_path(path)).is_relative());
    fs::rename(directory / "store", directory / "moved");
    EXPECT_EQ(read_file(directory / "moved/models" / path.str()), "abc");
}

TEST_F(BlobStoreTest, a_link_is_replaced_and_removed_with_its_empty_directories) {
    const SafePath path = *SafePath::parse("demo/a/1/model.gguf");
    store.link(path, publish("old"));
    store.link(path, publish("new"));
    EXPECT_EQ(read_file(store.model_path(path)), "new");
    store.unlink(path);
    store.unlink(path);
    EXPECT_FALSE(fs::exists(store.model_path(path).parent_path()));
    EXPECT_TRUE(fs::exists(directory / "store/models"));
}

TEST_F(BlobStoreTest, a_link_placed_on_the_way_leads_nowhere) {
    const Sha256 digest = publish("abc");
    fs::create_directory(directory / "outside");
    fs::create_directory_symlink(directory / "outside", directory / "store/models/demo");
    EXPECT_THROW(store.link(*SafePath::parse("demo/a/model.gguf"), digest), Error);
    EXPECT_TRUE(fs::is_empty(directory / "outside"));
    for (const char* hostile : {"../x", "a/../../x", "/etc/x", "a//b", ".", "a\\b"}) {
        EXPECT_FALSE(SafePath::parse(hostile)) << hostile;
    }
}

}  // namespace
}  // namespace llmm::storage
