#include "integrations/formats/byte_source.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "integrations/formats/gguf.hpp"
#include "support/paths.hpp"

#include <fcntl.h>

#include <gtest/gtest.h>

namespace llmm::formats {
namespace {

UniqueFd open_model() {
    return open_file(LLMM_SOURCE_DIR "/share/demo/tiny-chat.q8_0.gguf", O_RDONLY);
}

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

}  // namespace

TEST(DescriptorSource, reads_a_file_on_disk) {
    const UniqueFd fd = open_model();
    const auto header = read_gguf(DescriptorSource::whole_file(fd.get()));
    ASSERT_TRUE(header) << header.error().message.en;
    EXPECT_EQ(header->parameter_count, 1'054'080u);
}

TEST(DescriptorSource, shows_only_what_has_been_written_so_far) {
    const UniqueFd fd = open_model();
    const DescriptorSource source(fd.get(), 5, 1'157'056);
    std::array<std::byte, 8> buffer{};
    EXPECT_EQ(source.read(2, buffer), 3u);
    EXPECT_EQ(source.read(5, buffer), 0u);
    EXPECT_EQ(read_gguf(source).error().kind, ProblemKind::incomplete);
}

TEST(DescriptorSource, refuses_what_is_not_a_regular_file) {
    const UniqueFd device = open_file("/dev/zero", O_RDONLY);
    try {
        DescriptorSource::whole_file(device.get());
        FAIL() << "a device was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unsafe_file);
    }
}

TEST(DescriptorSource, a_file_that_shrinks_is_truncated) {
    const UniqueFd fd = open_model();
    const DescriptorSource source(fd.get(), 10'000'000, 10'000'000);
    ByteCursor in(source, 10'000'000);
    in.skip(2'000'000);
    in.number<std::uint64_t>();
    ASSERT_FALSE(in.ok());
    EXPECT_EQ(in.problem().kind, ProblemKind::truncated);
}

TEST(ByteCursor, the_first_problem_stays) {
    const MemorySource source(bytes("12345678"), 8);
    ByteCursor in(source, 100);
    EXPECT_EQ(in.number<std::uint32_t>(), 0x34333231u);
    EXPECT_EQ(in.number<std::uint64_t>(), 0u);
    EXPECT_EQ(in.problem().kind, ProblemKind::truncated);
    EXPECT_EQ(in.problem().needed_bytes, 12u);
    in.fail(ProblemKind::invalid, Text{"later", "之后"});
    EXPECT_EQ(in.number<std::uint8_t>(), 0u) << "nothing is read after a failure";
    EXPECT_EQ(in.text(1), "");
    EXPECT_EQ(in.problem().kind, ProblemKind::truncated);
    EXPECT_EQ(in.position(), 4u);
}

TEST(ByteCursor, sizes_that_wrap_around_are_refused) {
    const MemorySource source(bytes("12345678"));
    ByteCursor in(source, 100);
    in.skip(4);
    in.skip(~std::uint64_t{0} - 1);
    EXPECT_EQ(in.problem().kind, ProblemKind::unsupported);
    EXPECT_EQ(in.position(), 4u);
}

}  // namespace llmm::formats
