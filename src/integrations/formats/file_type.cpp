#include "integrations/formats/file_type.hpp"

#include "integrations/formats/problem.hpp"
#include "integrations/formats/safetensors.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>

namespace llmm::formats {
namespace {

using namespace std::string_view_literals;

// Files whose usual reader runs code found in them: Python pickles under their many names, and containers of
// pickles.
constexpr std::string_view kPickleExtensions[] = {"bin", "pt", "pth",  "ckpt",  "pkl",  "pickle", "joblib", "npy",
                                                  "npz", "h5", "hdf5", "keras", "nemo", "mar",    "dat",    "data"};
// Programs: an engine that is told to trust a repository would run them.
constexpr std::string_view kProgramExtensions[] = {"py", "pyc", "pyd", "so", "dll", "dylib", "exe", "sh"};
constexpr std::string_view kTextExtensions[] = {"json", "txt", "md", "jinja", "yaml", "yml", "toml", "csv", "html"};
// Text that may well begin with a tag.
constexpr std::string_view kMarkupExtensions[] = {"html", "htm", "xml", "svg", "md", "txt", "jinja"};

bool contains(const auto& range, std::string_view value) {
    return std::ranges::find(range, value) != std::end(range);
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string extension_of(std::string_view path) {
    const std::string_view name = path.substr(path.find_last_of('/') + 1);
    const std::size_t dot = name.find_last_of('.');
    if (dot == name.npos) return {};
    std::string extension(name.substr(dot + 1));
    std::ranges::transform(extension, extension.begin(), lower);
    return extension;
}

bool starts_with_word(std::string_view text, std::string_view lower_case_word) {
    return text.size() >= lower_case_word.size() &&
           std::ranges::equal(text.substr(0, lower_case_word.size()), lower_case_word, {}, lower);
}

std::string_view without_leading_space(std::string_view text) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

bool looks_like_safetensors(std::string_view bytes) {
    if (bytes.size() < 9 || bytes[8] != '{') return false;
    std::uint64_t header_size = 0;
    for (int i = 7; i >= 0; --i)
        header_size = header_size << 8 | static_cast<unsigned char>(bytes[i]);
    return header_size >= 2 && header_size <= kSafetensorsMaxHeaderBytes;
}

bool looks_like_pickle(std::string_view bytes) {
    return bytes.size() >= 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
}

// A protobuf message that begins with field 1, ir_version, as a small number, and field 2, producer_name.
bool looks_like_onnx(std::string_view bytes) {
    return bytes.size() >= 3 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x20 && bytes[2] == 0x12;
}

FileType sniff_text(std::string_view text) {
    if (text.starts_with("version https://git-lfs")) return FileType::lfs_pointer;
    text = without_leading_space(text);
    for (const std::string_view tag : {"<!doctype html"sv, "<html"sv, "<?xml"sv, "<error>"sv}) {
        if (starts_with_word(text, tag)) return FileType::html;
    }
    if (text.starts_with('{') && without_leading_space(text.substr(1)).starts_with("\"error"))
        return FileType::error_json;
    return FileType::unknown;
}

FileProblem unsafe(Text message) {
    return {ErrorCode::unsafe_file, std::move(message)};
}
FileProblem unsupported(Text message) {
    return {ErrorCode::unsupported_format, std::move(message)};
}

FileProblem mismatch(std::string_view path, std::string_view expected) {
    return unsupported(Text::format("\"{}\" does not contain what its name says: it is not a {} file",
                                    "\"{}\" 的内容与文件名不符：它不是 {} 文件", for_message(path), expected));
}

FileProblem not_a_model(std::string_view path, std::string_view en, std::string_view zh) {
    return unsupported({fmt::format("instead of \"{}\" the source sent {}", for_message(path), en),
                        fmt::format("来源发送的不是 \"{}\"，而是{}", for_message(path), zh)});
}

FileProblem runs_code(std::string_view path, std::string_view what) {
    return unsafe(Text::format("\"{}\" is refused: {} content can run code when it is loaded",
                               "拒绝 \"{}\"：{} 内容在加载时可能执行代码", for_message(path), what));
}

// What no name makes acceptable.
std::optional<FileProblem> check_content(std::string_view path, const std::string& extension, FileType type) {
    switch (type) {
        case FileType::zip_or_pytorch:
            return runs_code(path, "ZIP");
        case FileType::pickle:
            return runs_code(path, "pickle");
        case FileType::hdf5:
            return runs_code(path, "HDF5");
        case FileType::numpy:
            return runs_code(path, "NumPy");
        case FileType::seven_zip:
            return runs_code(path, "7z");
        case FileType::lfs_pointer:
            return not_a_model(path, "a Git LFS pointer", "一个 Git LFS 指针");
        case FileType::error_json:
            return not_a_model(path, "an error message", "一条错误消息");
        case FileType::html:
            if (contains(kMarkupExtensions, extension)) return std::nullopt;
            return not_a_model(path, "a web page", "一个网页");
        case FileType::gguf:
        case FileType::safetensors:
        case FileType::onnx:
            if (contains(kTextExtensions, extension)) return mismatch(path, extension);
            return std::nullopt;
        case FileType::unknown:
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

FileType sniff(std::span<const std::byte> first_bytes) {
    const std::string_view bytes(reinterpret_cast<const char*>(first_bytes.data()), first_bytes.size());
    if (bytes.starts_with("GGUF")) return FileType::gguf;
    if (looks_like_safetensors(bytes)) return FileType::safetensors;
    // With content, empty, or spanning several archives.
    for (const std::string_view magic : {"PK\x03\x04"sv, "PK\x05\x06"sv, "PK\x07\x08"sv}) {
        if (bytes.starts_with(magic)) return FileType::zip_or_pytorch;
    }
    if (looks_like_pickle(bytes)) return FileType::pickle;
    if (bytes.starts_with("\x89HDF\r\n\x1a\n"sv)) return FileType::hdf5;
    if (bytes.starts_with("\x93NUMPY"sv)) return FileType::numpy;
    if (bytes.starts_with("7z\xbc\xaf\x27\x1c"sv)) return FileType::seven_zip;
    if (looks_like_onnx(bytes)) return FileType::onnx;
    return sniff_text(bytes);
}

std::optional<FileProblem> check_name(std::string_view path) {
    const std::string extension = extension_of(path);
    if (contains(kPickleExtensions, extension)) {
        return unsafe(Text::format("\"{}\" is refused: .{} files can run code when they are loaded",
                                   "拒绝 \"{}\"：.{} 文件在加载时可能执行代码", for_message(path), extension));
    }
    if (contains(kProgramExtensions, extension)) {
        return unsafe(Text::format("\"{}\" is refused: it is a program, not a model", "拒绝 \"{}\"：它是程序，不是模型",
                                   for_message(path)));
    }
    return std::nullopt;
}

std::optional<FileProblem> check_first_bytes(std::string_view path, std::span<const std::byte> first_bytes) {
    if (auto problem = check_name(path)) return problem;
    const std::string extension = extension_of(path);
    const FileType type = sniff(first_bytes);
    if (auto problem = check_content(path, extension, type)) return problem;
    if (extension == "gguf" && type != FileType::gguf) return mismatch(path, "GGUF");
    if (extension == "safetensors" && type != FileType::safetensors) return mismatch(path, "safetensors");
    return std::nullopt;
}

}  // namespace llmm::formats
