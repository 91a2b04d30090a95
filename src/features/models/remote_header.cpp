#include "features/models/remote_header.hpp"

#include "base/fs/file.hpp"
#include "base/log/log.hpp"

#include <fcntl.h>

#include <fmt/format.h>

namespace llmm::models {
namespace {

// Descriptions stand before the vocabulary and take a few kilobytes; a chat template may take some dozens.
constexpr std::size_t kBeginning = 256 << 10;
constexpr std::size_t kMostKept = 256;
constexpr std::chrono::hours kKept{24};  // of a pinned revision nothing changes; for failures it is short enough
constexpr std::chrono::seconds kPatience{5};

std::string read_beginning(const std::filesystem::path& path) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    std::string bytes(kBeginning, '\0');
    bytes.resize(read_at(fd.get(), std::as_writable_bytes(std::span(bytes)), 0));
    return bytes;
}

}  // namespace

RemoteHeaders::RemoteHeaders(Deps deps)
    : deps_(deps),
      client_({.setting = {}, .request_timeout = kPatience, .tries = 1}, deps.http, deps.guard),
      cache_(kMostKept, kKept) {}

Task<std::string> RemoteHeaders::beginning(ModelRef pinned, std::string path) {
    const auto source = co_await deps_.hubs.hub(pinned.source).locate(pinned.repo, pinned.revision, path);
    if (const auto* local = std::get_if<hubs::LocalSource>(&source))
        co_return co_await deps_.files.run([local] { return read_beginning(local->path); });
    const auto& remote = std::get<hubs::RemoteSource>(source);
    if (!remote.has_ranges) co_return std::string();
    const auto answer = co_await client_.ask({.url = remote.url,
                                              .headers = {{"Range", fmt::format("bytes=0-{}", kBeginning - 1)}},
                                              .bearer = remote.bearer,
                                              .max_body_bytes = kBeginning});
    const int status = answer.response.status;
    co_return status == 206 || status == 200 ? answer.response.body : std::string();
}

Task<std::optional<formats::GgufHeader>> RemoteHeaders::read(ModelRef pinned, std::string path,
                                                             std::optional<std::uint64_t> file_size) {
    try {
        const std::string bytes = co_await beginning(pinned, path);
        co_return formats::read_gguf_beginning(formats::MemorySource(std::as_bytes(std::span(bytes)), file_size));
    } catch (const Error& error) {
        log::debug("the beginning of a remote file can't be read", {{"ref", pinned.str()}, {"error", error.what()}});
    }
    co_return std::nullopt;
}

Task<std::optional<formats::GgufHeader>> RemoteHeaders::of(const RemoteModel& model, std::string path) {
    std::optional<std::uint64_t> size;
    for (const hubs::RemoteFile& file : model.repository.files)
        if (file.path == path) size = file.size;
    const ModelRef pinned = model.pinned;
    const std::string key =
        fmt::format("{}/{}@{}/{}", models::name_of(pinned.source), pinned.repo, pinned.revision, path);
    co_return co_await cache_.get(key, [&] { return read(pinned, path, size); });
}

}  // namespace llmm::models
