#include "base/crypto/digest.hpp"

#include <gtest/gtest.h>

namespace llmm {

TEST(Sha256, known_values) {
    EXPECT_EQ(Sha256::of("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(Sha256::of("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, pieces_give_the_digest_of_the_whole) {
    Sha256Stream stream;
    for (const std::string_view piece : {"a", "", "bc"})
        stream.update(std::as_bytes(std::span(piece)));
    EXPECT_EQ(stream.finish(), Sha256::of("abc"));
}

TEST(Sha256, goes_on_from_a_saved_state) {
    const std::string text(1000, 'x');
    const auto bytes = std::as_bytes(std::span(text));
    Sha256Stream first;
    first.update(bytes.first(100));
    EXPECT_FALSE(first.midstate());
    first.update(bytes.subspan(100, 28));
    const auto midstate = first.midstate();
    ASSERT_TRUE(midstate);
    EXPECT_EQ(midstate->bytes, 128u);
    Sha256Stream second = Sha256Stream::from(*midstate);
    second.update(bytes.subspan(128));
    EXPECT_EQ(second.finish(), Sha256::of(text));
}

TEST(Sha256, parse_takes_only_a_whole_digest) {
    const std::string hex(64, 'A');
    ASSERT_TRUE(Sha256::parse(hex));
    EXPECT_EQ(Sha256::parse(hex)->hex(), std::string(64, 'a'));
    EXPECT_TRUE(Sha256::parse("sha256:" + hex));
    const std::string long_enough(58, 'a');
    for (const std::string& bad : {std::string(63, 'a'), std::string(65, 'a'), "../../" + long_enough, "sha256-" + hex,
                                   "sha512:" + hex, std::string(63, 'a') + "g", std::string()}) {
        EXPECT_FALSE(Sha256::parse(bad)) << bad;
    }
}

TEST(GitBlobSha1, agrees_with_git) {
    const std::string_view text = "hello\n";
    EXPECT_EQ(git_blob_sha1(std::as_bytes(std::span(text))), "ce013625030ba8dba906f756967f9e9ca394464a");
}

}  // namespace llmm
