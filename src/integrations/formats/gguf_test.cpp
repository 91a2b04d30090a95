#include "integrations/formats/gguf.hpp"

#include "integrations/formats/gguf_tables.hpp"
#include "support/gguf_writer.hpp"
#include "support/paths.hpp"

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>

#include <gtest/gtest.h>

namespace llmm::formats {
namespace {

using test::GgufWriter;

std::expected<GgufHeader, FormatProblem> read(std::string_view text, std::optional<std::uint64_t> file_size = {}) {
    return read_gguf(MemorySource(std::as_bytes(std::span(text)), file_size));
}

std::string file(const std::string& path) {
    std::ifstream in(std::string(LLMM_SOURCE_DIR "/") + path, std::ios::binary);
    EXPECT_TRUE(in) << path;
    return {std::istreambuf_iterator<char>(in), {}};
}

GgufWriter tiny() {
    GgufWriter writer;
    writer.string("general.architecture", "llama").u32("general.file_type", 7).u32("llama.context_length", 2048);
    return writer;
}

FormatProblem problem_of(const std::string& text, std::optional<std::uint64_t> file_size = {}) {
    const auto header = read(text, file_size);
    EXPECT_FALSE(header) << "was accepted";
    return header ? FormatProblem{} : header.error();
}

struct Broken {
    const char* name;
    ProblemKind kind;
    const char* message;  // a part of it
    std::function<void(GgufWriter&)> damage;
};

std::ostream& operator<<(std::ostream& out, const Broken& broken) {
    return out << broken.name;
}

constexpr std::uint64_t kHuge = ~std::uint64_t{0};
// The largest aligned count of one-byte elements; two such tensors leave 64 bytes of a 64-bit file.
constexpr std::uint64_t kHalf = (std::uint64_t{1} << 63) - 32;

GgufWriter& almost_everything(GgufWriter& writer) {
    return writer.tensor("t", {kHalf}, 24, 0).tensor("u", {kHalf}, 24, kHalf);
}

class GgufBroken : public testing::TestWithParam<Broken> {};

}  // namespace

TEST_P(GgufBroken, is_refused_with_its_reason) {
    GgufWriter writer = tiny();
    ASSERT_TRUE(read(writer.header()));
    GetParam().damage(writer);
    const FormatProblem problem = problem_of(writer.header());
    EXPECT_EQ(problem.kind, GetParam().kind);
    EXPECT_NE(problem.message.en.find(GetParam().message), std::string::npos) << problem.message.en;
    EXPECT_FALSE(problem.message.zh.empty());
}

using enum ProblemKind;
INSTANTIATE_TEST_SUITE_P(
    Header, GgufBroken,
    testing::Values(
        Broken{"magic", invalid, "begin with GGUF", [](auto& w) { w.magic = "GGML"; }},
        Broken{"version_0", unsupported, "version 0", [](auto& w) { w.version = 0; }},
        Broken{"version_1", unsupported, "version 1", [](auto& w) { w.version = 1; }},
        Broken{"version_4", unsupported, "version 4", [](auto& w) { w.version = 4; }},
        Broken{"big_endian", unsupported, "big-endian", [](auto& w) { w.version = 0x03000000; }},
        Broken{"tensor_count", unsupported, "tensors", [](auto& w) { w.tensor_count = kGgufMaxTensors + 1; }},
        Broken{"pair_count", unsupported, "metadata entries", [](auto& w) { w.pair_count = kGgufMaxPairs + 1; }},
        Broken{"pair_count_huge", unsupported, "metadata entries", [](auto& w) { w.pair_count = kHuge; }},
        Broken{"empty_key", invalid, "key is empty", [](auto& w) { w.u32("", 1); }},
        Broken{"long_key", unsupported, "1025 bytes",
               [](auto& w) { w.u32(std::string(kGgufMaxKeyBytes + 1, 'k'), 1); }},
        Broken{"key_control", invalid, "not plain ASCII", [](auto& w) { w.u32("a\nb", 1); }},
        Broken{"key_utf8", invalid, "not plain ASCII", [](auto& w) { w.u32("\xe4\xb8\xad", 1); }},
        Broken{"key_twice", invalid, "appears twice", [](auto& w) { w.u32("x.y", 1).u32("x.y", 1); }},
        Broken{"value_type", invalid, "unknown type 13", [](auto& w) { w.pair("x", 13, "....."); }},
        Broken{"value_type_negative", invalid, "unknown type", [](auto& w) { w.pair("x", 0xffffffff, "....."); }},
        Broken{"boolean", invalid, "boolean", [](auto& w) { w.pair("x", 7, "\x02"); }},
        Broken{"string_size", unsupported, "metadata string",
               [](auto& w) { w.pair("x", 8, GgufWriter::bytes(kGgufMaxStringBytes + 1)); }},
        Broken{"string_size_huge", unsupported, "metadata string",
               [](auto& w) { w.pair("x", 8, GgufWriter::bytes(kHuge)); }},
        Broken{"array_of_arrays", invalid, "arrays can't hold", [](auto& w) { w.array("x", 9, 1, ""); }},
        Broken{"array_of_nothing", invalid, "arrays can't hold", [](auto& w) { w.array("x", 13, 1, ""); }},
        Broken{"array_count", unsupported, "elements", [](auto& w) { w.array("x", 0, kGgufMaxArrayElements + 1, ""); }},
        Broken{"array_count_wraps", unsupported, "elements", [](auto& w) { w.array("x", 10, (kHuge >> 3) + 2, ""); }},
        Broken{"array_beyond_header", unsupported, "larger than",
               [](auto& w) { w.array("x", 0, kGgufMaxHeaderBytes, ""); }},
        Broken{"string_in_array", unsupported, "metadata string",
               [](auto& w) { w.array("x", 8, 1, GgufWriter::bytes(kHuge)); }},
        Broken{"alignment_type", invalid, "32-bit", [](auto& w) { w.string("general.alignment", "32"); }},
        Broken{"alignment_zero", invalid, "alignment is 0", [](auto& w) { w.u32("general.alignment", 0); }},
        Broken{"alignment_odd", invalid, "alignment is 48", [](auto& w) { w.u32("general.alignment", 48); }},
        Broken{"alignment_small", invalid, "alignment is 4", [](auto& w) { w.u32("general.alignment", 4); }},
        Broken{"alignment_big", invalid, "alignment is",
               [](auto& w) { w.u32("general.alignment", kGgufMaxAlignment * 2); }},
        Broken{"tensor_name_empty", invalid, "0 bytes", [](auto& w) { w.tensor("", {32}, 0, 0); }},
        Broken{"tensor_name_long", invalid, "64 bytes", [](auto& w) { w.tensor(std::string(64, 't'), {32}, 0, 0); }},
        Broken{"tensor_twice", invalid, "appears twice",
               [](auto& w) { w.tensor("t", {32}, 0, 0).tensor("t", {32}, 0, 128); }},
        Broken{"dimensions", invalid, "5 dimensions", [](auto& w) { w.tensor("t", {1, 1, 1, 1, 1}, 0, 0); }},
        Broken{"zero_dimension", invalid, "impossible shape", [](auto& w) { w.tensor("t", {32, 0}, 0, 0); }},
        Broken{"elements_overflow", invalid, "impossible shape",
               [](auto& w) { w.tensor("t", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0); }},
        Broken{"elements_negative", invalid, "impossible shape",
               [](auto& w) { w.tensor("t", {std::uint64_t{1} << 63}, 0, 0); }},
        Broken{"bytes_overflow", invalid, "larger than any file",
               [](auto& w) { w.tensor("t", {std::uint64_t{1} << 62}, 0, 0); }},
        Broken{"sum_overflow", invalid, "larger than any file",
               [](auto& w) { almost_everything(w).tensor("v", {64}, 24, 2 * kHalf); }},
        Broken{"padding_overflow", invalid, "larger than any file",
               [](auto& w) { almost_everything(w).tensor("v", {33}, 24, 2 * kHalf); }},
        Broken{"data_offset_overflow", invalid, "larger than any file", [](auto& w) { almost_everything(w); }},
        Broken{"half_block", invalid, "whole blocks of Q4_K", [](auto& w) { w.tensor("t", {128}, 12, 0); }},
        Broken{"withdrawn_type", invalid, "type 4", [](auto& w) { w.tensor("t", {32}, 4, 0); }},
        Broken{"negative_type", invalid, "does not exist", [](auto& w) { w.tensor("t", {32}, 0x80000000, 0); }},
        Broken{"first_offset", invalid, "not where it belongs", [](auto& w) { w.tensor("t", {32}, 0, 32); }},
        Broken{"offset_unaligned", invalid, "not where it belongs",
               [](auto& w) { w.tensor("t", {32}, 43, 0).tensor("u", {32}, 0, 8); }},
        Broken{"offset_overlaps", invalid, "not where it belongs",
               [](auto& w) { w.tensor("t", {32}, 0, 0).tensor("u", {32}, 0, 96); }},
        Broken{"offset_leaves_hole", invalid, "not where it belongs",
               [](auto& w) { w.tensor("t", {32}, 0, 0).tensor("u", {32}, 0, 160); }},
        Broken{"offset_before_unknown", invalid, "not where it belongs",
               [](auto& w) { w.tensor("t", {32}, 0, 0).tensor("n", {32}, 43, 128).tensor("u", {32}, 0, 96); }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Gguf, describes_a_real_model) {
    const std::string text = file("share/demo/tiny-chat.q8_0.gguf");
    const auto header = read(text, text.size());
    ASSERT_TRUE(header) << header.error().message.en;
    EXPECT_EQ(header->architecture, "llama");
    EXPECT_EQ(header->quantization, "Q8_0");
    EXPECT_EQ(header->parameter_count, 1'054'080u);
    EXPECT_EQ(header->context_length, 2048u);
    EXPECT_EQ(header->block_count, 5u);
    EXPECT_EQ(header->embedding_length, 128u);
    EXPECT_EQ(header->feed_forward_length, 352u);
    EXPECT_EQ(header->head_count, 4u);
    EXPECT_EQ(header->head_count_kv, 2u);
    EXPECT_EQ(header->vocabulary_size, 1024u);
    EXPECT_TRUE(header->chat_template && header->chat_template->find("im_start") != std::string::npos);
    EXPECT_TRUE(header->unknown_tensor_types.empty());
    EXPECT_FALSE(header->split);
    EXPECT_EQ(header->data_offset % header->alignment, 0u);
    EXPECT_LE(header->required_size, text.size());
    EXPECT_GT(header->required_size + header->alignment, text.size());
}

TEST(Gguf, describes_a_part_of_a_split_model) {
    const std::string base = "tests/data/tiny-model/gguf-split/tiny-chat.q8_0-0000";
    const auto first = read(file(base + "1-of-00002.gguf"));
    const auto second = read(file(base + "2-of-00002.gguf"));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->split->number, 0u);
    EXPECT_EQ(second->split->number, 1u);
    EXPECT_EQ(second->split->count, 2u);
    EXPECT_EQ(first->split->total_tensors, first->tensor_count + second->tensor_count);
    EXPECT_EQ(first->parameter_count + second->parameter_count, 1'054'080u);
    EXPECT_EQ(first->architecture, "llama");
}

TEST(Gguf, every_beginning_asks_for_more_until_the_header_is_complete) {
    const std::string text = file("share/demo/tiny-chat.q8_0.gguf");
    const std::uint64_t data = read(text)->data_offset;
    std::uint64_t size = 0;
    int rounds = 0;
    for (;; ++rounds) {
        const auto header = read(std::string_view(text).substr(0, size), text.size());
        if (header) break;
        ASSERT_EQ(header.error().kind, incomplete) << size;
        ASSERT_GT(header.error().needed_bytes, size);
        ASSERT_LE(header.error().needed_bytes, data);
        size = header.error().needed_bytes;
    }
    EXPECT_GT(rounds, 100);
    EXPECT_LE(size, data);
    EXPECT_GT(size + 64, data);
}

TEST(Gguf, a_file_shorter_than_its_tensors_is_truncated) {
    const std::string text = file("share/demo/tiny-chat.q8_0.gguf");
    const std::uint64_t required = read(text)->required_size;
    EXPECT_TRUE(read(text, required));
    const FormatProblem problem = problem_of(text, required - 1);
    EXPECT_EQ(problem.kind, truncated);
    EXPECT_EQ(problem.needed_bytes, required);
    EXPECT_EQ(problem_of(text.substr(0, 1000), 1000).kind, truncated);
    EXPECT_EQ(problem_of("GGUF", 4).kind, truncated);
    EXPECT_EQ(problem_of("", 0).kind, truncated);
    // Known before the bytes are there: the size that the hub promises can't hold what the header says.
    GgufWriter writer = tiny();
    writer.tensor("t", {1 << 20}, 0, 0);
    EXPECT_EQ(problem_of(writer.header(), 1 << 20).kind, truncated);
    writer.tensor_count = kGgufMaxTensors;
    EXPECT_EQ(problem_of(writer.header(), 1 << 20).message.en, "the file is too short for what its header counts");
}

TEST(Gguf, version_2_reads_like_version_3) {
    GgufWriter writer = tiny();
    writer.version = 2;
    ASSERT_TRUE(read(writer.header()));
    EXPECT_EQ(read(writer.header())->version, 2u);
}

TEST(Gguf, keys_of_the_architecture_may_come_before_it) {
    GgufWriter writer;
    writer.u32("qwen3.context_length", 4096).u32("llama.block_count", 7).string("general.architecture", "qwen3");
    const auto header = read(writer.header());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->context_length, 4096u);
    EXPECT_FALSE(header->block_count);
}

TEST(Gguf, integers_of_any_width_count_and_negative_ones_do_not) {
    GgufWriter writer = tiny();
    writer.pair("llama.block_count", 10, GgufWriter::bytes(std::uint64_t{80}));
    writer.pair("llama.embedding_length", 5, GgufWriter::bytes(std::int32_t{-1}));
    writer.pair("llama.expert_count", 2, GgufWriter::bytes(std::uint16_t{8}));
    writer.array("llama.attention.head_count_kv", 5, 3,
                 GgufWriter::bytes(0) + GgufWriter::bytes(8) + GgufWriter::bytes(4));
    const auto header = read(writer.header());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->block_count, 80u);
    EXPECT_FALSE(header->embedding_length);
    EXPECT_EQ(header->expert_count, 8u);
    EXPECT_EQ(header->head_count_kv, 8u) << "the largest of the layers";
}

TEST(Gguf, alignment_moves_the_data) {
    GgufWriter writer = tiny();
    writer.u32("general.alignment", 4096).tensor("t", {3}, 0, 0).tensor("u", {5}, 0, 4096);
    const auto header = read(writer.header());
    ASSERT_TRUE(header) << header.error().message.en;
    EXPECT_EQ(header->data_offset, 4096u);
    EXPECT_EQ(header->required_size, 4096u + 4096 + 20);
    EXPECT_EQ(header->parameter_count, 8u);
}

TEST(Gguf, a_type_newer_than_this_program_is_reported_and_not_sized) {
    GgufWriter writer = tiny();
    writer.tensor("t", {32}, 0, 0).tensor("n", {7}, 99, 128).tensor("u", {32}, 0, 4096);
    const auto header = read(writer.header());
    ASSERT_TRUE(header) << header.error().message.en;
    EXPECT_EQ(header->unknown_tensor_types, std::vector<std::uint32_t>{99});
    EXPECT_EQ(header->required_size, header->data_offset + 4096 + 128);
}

TEST(Gguf, a_string_too_long_to_keep_is_passed_over) {
    GgufWriter writer = tiny();
    writer.string("general.name", std::string(kGgufMaxKeptStringBytes, 'n'));
    writer.string("tokenizer.chat_template", std::string(kGgufMaxKeptStringBytes + 1, 't'));
    const auto header = read(writer.header());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->name->size(), kGgufMaxKeptStringBytes);
    EXPECT_FALSE(header->chat_template);
}

TEST(Gguf, quantization_comes_from_the_file_type) {
    EXPECT_EQ(quantization_name(15), "Q4_K_M");
    EXPECT_EQ(quantization_name(1024 + 7), "Q8_0") << "guessed";
    EXPECT_EQ(quantization_name(38), "MXFP4_MOE");
    for (const std::uint64_t unknown :
         {std::uint64_t{4}, std::uint64_t{33}, std::uint64_t{39}, std::uint64_t{1} << 32}) {
        EXPECT_FALSE(quantization_name(unknown)) << unknown;
    }
}

TEST(Gguf, tensor_types_have_their_block_sizes) {
    EXPECT_EQ(tensor_type(12)->name, "Q4_K");
    EXPECT_EQ(tensor_type(12)->block_bytes, 144u);
    EXPECT_EQ(tensor_type(42)->block_elements, 64u);
    for (const std::uint32_t none : {4u, 5u, 31u, 33u, 36u, 38u, 43u, ~0u})
        EXPECT_EQ(tensor_type(none), nullptr) << none;
}

TEST(Gguf, messages_show_nothing_but_short_plain_text) {
    EXPECT_EQ(for_message("a\"b\x1b[0m\xff"), "a?b?[0m?");
    EXPECT_EQ(for_message(std::string(200, 'x')).size(), 67u);
}

TEST(Gguf, the_beginning_tells_the_shape_once_the_vocabulary_begins) {
    const std::string text = file("share/demo/tiny-chat.q8_0.gguf");
    const auto whole = read(text);
    ASSERT_TRUE(whole);
    std::size_t told = 0;
    for (std::size_t size = 0; size < whole->data_offset; size += 97) {
        const auto bytes = std::as_bytes(std::span(text).first(size));
        const auto header = read_gguf_beginning(MemorySource(bytes, text.size()));
        if (!header) {
            EXPECT_EQ(told, 0u) << "more bytes tell less";
            continue;
        }
        ++told;
        EXPECT_EQ(header->architecture, whole->architecture) << size;
        EXPECT_EQ(header->block_count, whole->block_count) << size;
        EXPECT_EQ(header->head_count_kv, whole->head_count_kv) << size;
        EXPECT_EQ(header->vocabulary_size, whole->vocabulary_size) << size;
    }
    EXPECT_GT(told, 10u);
    EXPECT_EQ(read_gguf_beginning(MemorySource(std::as_bytes(std::span(text)))), *whole);
    const std::string other(4096, 'x');
    EXPECT_FALSE(read_gguf_beginning(MemorySource(std::as_bytes(std::span(other)))));
}

TEST(Gguf, a_vocabulary_of_256k_tokens_takes_milliseconds) {
    constexpr std::uint64_t kTokens = 256 * 1024;
    std::string tokens, scores(kTokens * 4, '\0');
    for (std::uint64_t i = 0; i < kTokens; ++i)
        tokens += GgufWriter::text("token" + std::to_string(i));
    GgufWriter writer = tiny();
    writer.array("tokenizer.ggml.tokens", 8, kTokens, tokens).array("tokenizer.ggml.merges", 8, kTokens, tokens);
    writer.array("tokenizer.ggml.scores", 6, kTokens, scores);
    const std::string text = writer.header();
    const auto start = std::chrono::steady_clock::now();
    const auto header = read(text);
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(header);
    EXPECT_EQ(header->vocabulary_size, kTokens);
    RecordProperty("milliseconds", std::to_string(taken.count()));
#ifdef NDEBUG
    EXPECT_LT(taken.count(), 100);
#endif
}

}  // namespace llmm::formats
