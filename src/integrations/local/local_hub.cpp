#include "integrations/local/local_hub.hpp"

#include "base/error/error.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::hubs {
namespace {

constexpr std::size_t kMaxFiles = 10'000;

std::filesystem::path parsed(const std::string& text) {
    auto path = LocalRoots::parse(text);
    if (!path) fail(ErrorCode::validation_failed, "this is not an absolute path", "这不是绝对路径");
    return *std::move(path);
}

// Of a folder that is somebody's work place only what belongs to models counts.
bool is_of_a_model(std::string_view path) {
    constexpr std::string_view kEndings[] = {".gguf", ".safetensors", ".json", ".jinja", ".txt", ".model", ".md"};
    return !path.starts_with('.') && !path.contains("/.") &&
           std::ranges::any_of(kEndings, [&](std::string_view ending) { return path.ends_with(ending); });
}

}  // namespace

Task<SearchPage> LocalHub::search(SearchQuery) {
    fail(ErrorCode::validation_failed, "the files of this machine can't be searched", "本机文件无法搜索");
}

Task<std::vector<Category>> LocalHub::categories() {
    co_return std::vector<Category>{};
}

Repository LocalHub::look(const std::string& repo, const std::string& revision) const {
    const auto path = parsed(repo);
    std::string identity;
    Repository repository;
    for (const LocalRoots::File& file : roots_.list(path, kMaxFiles)) {
        if (!is_of_a_model(file.path)) continue;
        identity += fmt::format("{} {} {}\n", file.size, file.modified_ns, file.path);
        repository.files.push_back(
            {.path = file.path, .size = file.size, .sha256 = std::nullopt, .git_sha1 = std::nullopt});
    }
    repository.summary.repo = path.string();
    repository.summary.name = path.filename().string();
    repository.revision = Sha256::of(identity).hex().substr(0, 40);
    if (!revision.empty() && revision != repository.revision) {
        fail(ErrorCode::hub_revision_not_found, "the files at {} have changed", "{} 处的文件已更改",
             repository.summary.name);
    }
    return repository;
}

Task<Repository> LocalHub::repository(std::string repo, std::string revision) {
    co_return co_await files_.run([&] { return look(repo, revision); });
}

Task<FileSource> LocalHub::locate(std::string repo, std::string revision, std::string path) {
    const auto repository = co_await this->repository(repo, revision);
    const auto is_it = [&](const RemoteFile& file) { return file.path == path; };
    if (std::ranges::none_of(repository.files, is_it)) {
        fail(ErrorCode::hub_file_not_found, "there is no file {}", "没有文件 {}", path);
    }
    const auto base = parsed(repo);
    const bool is_folder = co_await files_.run([&] { return roots_.is_directory(base); });
    co_return LocalSource{is_folder ? base / path : base};
}

}  // namespace llmm::hubs
