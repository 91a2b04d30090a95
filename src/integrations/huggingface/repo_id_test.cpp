#include "integrations/huggingface/repo_id.hpp"

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {

TEST(HuggingFaceRepoId, accepts_names_that_the_hub_gives) {
    for (const char* good :
         {"gpt2", "openai-community/gpt2", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "a/b", "_x/_y_", "a.b/c_d"}) {
        const auto id = RepoId::parse(good);
        ASSERT_TRUE(id) << good;
        EXPECT_EQ(id->str(), good);
    }
    EXPECT_TRUE(RepoId::parse("a/" + std::string(96, 'b')));
}

TEST(HuggingFaceRepoId, refuses_everything_else) {
    for (const char* bad : {"",       "/",
                            "a/",     "/a",
                            "a/b/c",  "..",
                            "a/..",   "../a",
                            "a--b/c", "a/b--c",
                            "a/b..c", "-a/b",
                            "a/-b",   "a/b-",
                            "a/.b",   "a/b.",
                            ".a/b",   "a/b.git",
                            "a b/c",  "a/b?x=1",
                            "a/b#c",  "a/b%2f",
                            "a\\b",   "模/型",
                            "a/b\n",  "https://huggingface.co/a/b"}) {
        EXPECT_FALSE(RepoId::parse(bad)) << bad;
    }
    EXPECT_FALSE(RepoId::parse("a/" + std::string(97, 'b')));
    EXPECT_FALSE(RepoId::parse(std::string_view("a/b\0", 4)));
}

TEST(HuggingFaceRepoId, splits_owner_and_name) {
    EXPECT_EQ(RepoId::parse("org/model")->owner(), "org");
    EXPECT_EQ(RepoId::parse("org/model")->name(), "model");
    EXPECT_EQ(RepoId::parse("gpt2")->owner(), "");
    EXPECT_EQ(RepoId::parse("gpt2")->name(), "gpt2");
}

TEST(HuggingFaceRevision, accepts_branches_tags_refs_and_commits) {
    for (const char* good : {"main", "v1.0", "refs/pr/1", "refs/convert/parquet", "feature/x_y", "release@2", "a+b=c",
                             "0123456789abcdef0123456789abcdef01234567"}) {
        EXPECT_TRUE(Revision::parse(good)) << good;
    }
}

TEST(HuggingFaceRevision, refuses_what_git_would_refuse) {
    for (const char* bad :
         {"",  "/",     "a/",  "/a",  "a//b", ".",   "..",  "a..b", "a/../b", ".a",   "a/.b", "a.",    "a.lock", "-a",
          "@", "a@{1}", "a b", "a~1", "a^",   "a:b", "a?b", "a*",   "a[b",    "a\\b", "a\nb", "a\x7f", "版本"}) {
        EXPECT_FALSE(Revision::parse(bad)) << bad;
    }
    EXPECT_FALSE(Revision::parse(std::string(256, 'a')));
}

TEST(HuggingFaceRevision, tells_a_commit_from_a_name) {
    EXPECT_TRUE(Revision::parse("0123456789abcdef0123456789abcdef01234567")->is_commit());
    EXPECT_FALSE(Revision::parse("0123456789ABCDEF0123456789abcdef01234567")->is_commit());
    EXPECT_FALSE(Revision::parse("0123456")->is_commit());
    EXPECT_FALSE(Revision::parse("main")->is_commit());
}

}  // namespace llmm::hubs::huggingface
