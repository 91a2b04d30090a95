#include "integrations/formats/file_type.hpp"

#include "support/paths.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace llmm::formats {
namespace {

using namespace std::string_literals;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}
FileType sniff_text(std::string_view text) {
    return sniff(bytes(text));
}

std::optional<ErrorCode> code_of(std::string_view path, std::string_view content) {
    const auto problem = check_first_bytes(path, bytes(content));
    if (!problem) return std::nullopt;
    EXPECT_FALSE(problem->message.en.empty() || problem->message.zh.empty());
    return problem->code;
}

std::string beginning_of(const std::string& path) {
    std::ifstream in(std::string(LLMM_TEST_DATA "/tiny-model/") + path, std::ios::binary);
    EXPECT_TRUE(in) << path;
    std::string text(kSniffBytes, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

const std::string kGguf = "GGUF\x03\0\0\0"s;
const std::string kSafetensors = "\x40\0\0\0\0\0\0\0{\"a\":"s;
const std::string kZip = "PK\x03\x04\0\0"s;
const std::string kPickle = "\x80\x02}q\0"s;
constexpr auto kUnsafe = ErrorCode::unsafe_file;
constexpr auto kUnsupported = ErrorCode::unsupported_format;

}  // namespace

TEST(FileType, first_bytes_tell_the_type) {
    EXPECT_EQ(sniff_text(kGguf), FileType::gguf);
    EXPECT_EQ(sniff_text(kSafetensors), FileType::safetensors);
    EXPECT_EQ(sniff_text(kZip), FileType::zip_or_pytorch);
    EXPECT_EQ(sniff_text("PK\x05\x06"), FileType::zip_or_pytorch);
    for (const char protocol : {'\x02', '\x03', '\x04', '\x05'}) {
        EXPECT_EQ(sniff_text("\x80"s + protocol), FileType::pickle);
    }
    EXPECT_EQ(sniff_text("\x80\x06"), FileType::unknown);
    EXPECT_EQ(sniff_text("\x89HDF\r\n\x1a\n"), FileType::hdf5);
    EXPECT_EQ(sniff_text("\x93NUMPY\x01"), FileType::numpy);
    EXPECT_EQ(sniff_text("7z\xbc\xaf\x27\x1c"), FileType::seven_zip);
    EXPECT_EQ(sniff_text("\x08\x07\x12\x07pytorch"), FileType::onnx);
    EXPECT_EQ(sniff_text("version https://git-lfs.github.com/spec/v1\noid sha256:"), FileType::lfs_pointer);
    EXPECT_EQ(sniff_text("\xef\xbb\xbf \r\n<!doctype HTML>"), FileType::html);
    EXPECT_EQ(sniff_text("<HTML lang=en>"), FileType::html);
    EXPECT_EQ(sniff_text("<?xml version=\"1.0\"?><Error>"), FileType::html);
    EXPECT_EQ(sniff_text("{\"error\":\"Repository not found\"}"), FileType::error_json);
    EXPECT_EQ(sniff_text("{ \"errors\": []}"), FileType::error_json);
    for (const char* other : {"", "G", "{\"model_type\":\"llama\"}", "# Title", "<p>", "plain"}) {
        EXPECT_EQ(sniff_text(other), FileType::unknown) << other;
    }
}

TEST(FileType, safetensors_needs_a_plausible_header_size) {
    EXPECT_EQ(sniff_text("\x01\0\0\0\0\0\0\0{"s), FileType::unknown);
    EXPECT_EQ(sniff_text("\x01\xe1\xf5\x05\0\0\0\0{"s), FileType::unknown) << "100,000,001 bytes";
    EXPECT_EQ(sniff_text("\x00\xe1\xf5\x05\0\0\0\0{"s), FileType::safetensors) << "100,000,000 bytes";
    EXPECT_EQ(sniff_text("\x40\0\0\0\0\0\0\0["s), FileType::unknown);
    EXPECT_EQ(sniff_text("\x40\0\0\0\0\0\0\0"s), FileType::unknown);
}

TEST(FileType, what_belongs_to_a_model_passes) {
    EXPECT_EQ(code_of("a/b.gguf", kGguf), std::nullopt);
    EXPECT_EQ(code_of("MODEL.GGUF", kGguf), std::nullopt);
    EXPECT_EQ(code_of("model.safetensors", kSafetensors), std::nullopt);
    EXPECT_EQ(code_of("config.json", "{\"a\":1}"), std::nullopt);
    EXPECT_EQ(code_of("README.md", "<html>"), std::nullopt);
    EXPECT_EQ(code_of("empty.txt", ""), std::nullopt);
    EXPECT_EQ(code_of("blob-without-extension", kGguf), std::nullopt);
    for (const char* path : {"hf-repo/model.safetensors", "hf-repo/config.json", "hf-repo/tokenizer.json",
                             "hf-repo/README.md", "gguf-split/tiny-chat.q8_0-00002-of-00002.gguf"}) {
        EXPECT_EQ(code_of(path, beginning_of(path)), std::nullopt) << path;
    }
}

TEST(FileType, a_name_must_not_promise_what_the_content_is_not) {
    EXPECT_EQ(code_of("model.gguf", kSafetensors), kUnsupported);
    EXPECT_EQ(code_of("model.gguf", ""), kUnsupported);
    EXPECT_EQ(code_of("model.gguf", "GGU"), kUnsupported);
    EXPECT_EQ(code_of("model.safetensors", kGguf), kUnsupported);
    EXPECT_EQ(code_of("model.safetensors", "{}"), kUnsupported);
    EXPECT_EQ(code_of("config.json", kGguf), kUnsupported);
}

TEST(FileType, pickles_are_refused_by_name) {
    for (const char* path :
         {"pytorch_model.bin", "a.pt", "a.PTH", "a.ckpt", "a.pkl", "a.pickle", "a.joblib", "a.npy", "a.npz", "a.h5",
          "a.keras", "a.nemo", "a.mar", "d.dat", "d.data", "modeling_x.py", "lib.so"}) {
        EXPECT_EQ(code_of(path, "harmless"), kUnsafe) << path;
        EXPECT_TRUE(check_name(path)) << path;
    }
    EXPECT_FALSE(check_name("folder.bin/model.gguf"));
}

TEST(FileType, pickles_are_refused_by_content_whatever_their_name) {
    for (const std::string& content : {kZip, kPickle, "\x89HDF\r\n\x1a\n"s, "\x93NUMPY"s, "7z\xbc\xaf\x27\x1c"s}) {
        for (const char* path : {"model.gguf", "model.safetensors", "config.json", "model", "weights.onnx"}) {
            EXPECT_EQ(code_of(path, content), kUnsafe) << path;
        }
    }
}

TEST(FileType, stand_ins_for_the_file_are_named) {
    const auto message = [](std::string_view content) {
        return check_first_bytes("m.gguf", bytes(content))->message.en;
    };
    EXPECT_NE(message("version https://git-lfs.github.com/spec/v1").find("Git LFS pointer"), std::string::npos);
    EXPECT_NE(message("<!DOCTYPE html><title>Login").find("a web page"), std::string::npos);
    EXPECT_NE(message("{\"error\":\"gated\"}").find("an error message"), std::string::npos);
    EXPECT_EQ(code_of("tokenizer.json", "<html>"), kUnsupported);
    EXPECT_EQ(code_of("config.json", "{\"error\":\"x\"}"), kUnsupported);
    EXPECT_EQ(code_of("vocab.txt", "version https://git-lfs.github.com/spec/v1"), kUnsupported);
}

}  // namespace llmm::formats
