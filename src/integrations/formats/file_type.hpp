#pragma once
#include "base/error/error.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace llmm::formats {

// What a file's first bytes say that it is, whatever its name.
enum class FileType {
    gguf,
    safetensors,
    zip_or_pytorch,  // PyTorch's own format since 1.6 is a ZIP with a pickle inside
    pickle,
    hdf5,
    numpy,
    seven_zip,
    onnx,
    lfs_pointer,  // git-lfs' placeholder instead of the file
    html,         // or XML: a login page, a captive portal, a storage service's error
    error_json,
    unknown,
};

// As many first bytes of a file as it takes to tell; a shorter beginning will do when the file is shorter.
inline constexpr std::size_t kSniffBytes = 512;

FileType sniff(std::span<const std::byte> first_bytes);

// Why a file must not be kept. The code is UNSAFE_FILE or UNSUPPORTED_FORMAT.
struct FileProblem {
    ErrorCode code = ErrorCode::unsupported_format;
    Text message;
    friend bool operator==(const FileProblem&, const FileProblem&) = default;
};

// What the name alone forbids: files that run code when they are loaded. For choosing what to download.
std::optional<FileProblem> check_name(std::string_view path);

// The name, the content, and whether they agree; nullopt when nothing speaks against the file. Asked as soon
// as the first bytes are there, so that a wrong file costs one segment and not the whole transfer.
std::optional<FileProblem> check_first_bytes(std::string_view path, std::span<const std::byte> first_bytes);

}  // namespace llmm::formats
