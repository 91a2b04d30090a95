#include "features/store/import_plan.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "integrations/huggingface/repo_id.hpp"
#include "integrations/ollama/ollama_manifest.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace llmm::store {
namespace {

namespace fs = std::filesystem;
using hubs::ollama::NamedLayer;

constexpr std::size_t kMaxFiles = 200'000;
constexpr std::size_t kMaxManifestBytes = 4 << 20, kMaxTextBytes = 256 * 1024;
constexpr std::string_view kOllamaRegistry = "registry.ollama.ai";

std::string read_all(const LocalRoots& roots, const fs::path& path, std::size_t most) {
    const UniqueFd fd = roots.open_file(path);
    std::string text(most + 1, '\0');
    const std::size_t count = read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0);
    if (count > most) fail(ErrorCode::unsafe_file, "a file is too long to be what it should be", "文件过长");
    text.resize(count);
    return text;
}

// "models--org--name" as "org/name".
std::optional<std::string> repo_of(std::string_view folder) {
    constexpr std::string_view kPrefix = "models--";
    if (!folder.starts_with(kPrefix)) return std::nullopt;
    std::string repo(folder.substr(kPrefix.size()));
    if (const auto at = repo.find("--"); at != std::string::npos) repo.replace(at, 2, "/");
    return hubs::huggingface::RepoId::parse(repo) ? std::optional(repo) : std::nullopt;
}

// The blob that a link of a snapshot leads to is named by its content: SHA-256 for LFS files, git's SHA-1 for others.
void expect_digest(ImportFile& file, const fs::path& link) {
    std::error_code error;
    const std::string blob = fs::read_symlink(link, error).filename().string();
    if (error) return;
    if (blob.size() == 64) file.sha256 = Sha256::parse(blob);
    if (hubs::huggingface::is_git_sha1(blob)) file.git_sha1 = blob;
}

void add_snapshot(const LocalRoots& roots, const std::string& repo, const fs::path& snapshot,
                  std::vector<ImportModel>& models) {
    std::vector<formats::ListedFile> files;
    for (const LocalRoots::File& file : roots.list(snapshot, kMaxFiles))
        files.push_back({file.path, file.size});
    for (const formats::Variant& variant : formats::find_variants(files).variants) {
        ImportModel model;
        model.pinned = {.source = models::Source::huggingface,
                        .repo = repo,
                        .revision = snapshot.filename().string(),
                        .variant = variant.name};
        model.name = repo.substr(repo.find('/') + 1);
        for (const std::string& path : variant.files) {
            ImportFile file{.path = path, .source = snapshot / path, .sha256 = {}, .git_sha1 = {}};
            expect_digest(file, file.source);
            model.files.push_back(std::move(file));
        }
        models.push_back(std::move(model));
    }
}

// manifests/<host>/<namespace>/<model>/<tag>
std::optional<hubs::ollama::Name> name_of_manifest(std::string_view path) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        parts.emplace_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    if (parts.size() != 4) return std::nullopt;
    const std::string host = parts[0] == kOllamaRegistry ? "" : parts[0] + "/";
    return hubs::ollama::Name::parse(fmt::format("{}{}/{}:{}", host, parts[1], parts[2], parts[3]));
}

bool is_text(hubs::ollama::LayerKind kind) {
    using enum hubs::ollama::LayerKind;
    return kind == prompt_template || kind == system || kind == params || kind == messages;
}

std::optional<ImportModel> ollama_model(const LocalRoots& roots, const fs::path& folder, const hubs::ollama::Name& name,
                                        const fs::path& manifest_file) {
    const auto blob = [&](const Sha256& digest) { return folder / "blobs" / ("sha256-" + digest.hex()); };
    const std::string text = read_all(roots, manifest_file, kMaxManifestBytes);
    const hubs::ollama::Manifest manifest = hubs::ollama::parse_manifest(text);
    hubs::ollama::ModelConfig config;
    if (manifest.config)
        config = hubs::ollama::parse_config(read_all(roots, blob(manifest.config->digest), kMaxTextBytes));
    std::vector<formats::ListedFile> files;
    std::map<std::string, std::string> texts;
    const auto layers = hubs::ollama::name_layers(name, manifest, config);
    for (const NamedLayer& named : layers) {
        files.push_back({named.path, named.layer.size});
        if (is_text(named.layer.kind)) texts[named.path] = read_all(roots, blob(named.layer.digest), kMaxTextBytes);
    }
    const auto content = formats::find_variants(files);
    const formats::Variant* chosen = formats::choose_variant(content.variants, "");
    if (!chosen) return std::nullopt;  // made of tensors: nothing that an engine here loads
    ImportModel model;
    model.pinned = {.source = models::Source::ollama,
                    .repo = name.str(),
                    .revision = Sha256::of(text).hex(),
                    .variant = chosen->name};
    model.name = name.model + ":" + name.tag;
    model.metadata = hubs::ollama::metadata_json(config, hubs::ollama::is_stock_compatible(config), texts);
    for (const std::string& path : chosen->files) {
        const auto named = std::ranges::find(layers, path, &NamedLayer::path);
        model.files.push_back(
            {.path = path, .source = blob(named->layer.digest), .sha256 = named->layer.digest, .git_sha1 = {}});
    }
    return model;
}

void skip(const fs::path& what, const Error& error) {
    log::debug("not taken over", {{"path", what.string()}, {"reason", error.message().en}});
}

}  // namespace

std::vector<ImportModel> plan_hf_cache(const LocalRoots& roots, const fs::path& folder) {
    roots.open_directory(folder);
    std::vector<ImportModel> models;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        const auto repo = repo_of(entry.path().filename().string());
        std::error_code error;
        if (!repo || !entry.is_directory(error) || !fs::is_directory(entry.path() / "snapshots", error)) continue;
        for (const fs::directory_entry& snapshot : fs::directory_iterator(entry.path() / "snapshots")) {
            if (!hubs::huggingface::is_git_sha1(snapshot.path().filename().string())) continue;
            try {
                add_snapshot(roots, *repo, snapshot.path(), models);
            } catch (const Error& refused) {
                skip(snapshot.path(), refused);
            }
        }
    }
    return models;
}

std::vector<ImportModel> plan_ollama(const LocalRoots& roots, const fs::path& folder) {
    roots.open_directory(folder);
    std::vector<ImportModel> models;
    for (const LocalRoots::File& file : roots.list(folder / "manifests", kMaxFiles)) {
        const auto name = name_of_manifest(file.path);
        if (!name) continue;
        try {
            if (auto model = ollama_model(roots, folder, *name, folder / "manifests" / file.path))
                models.push_back(*std::move(model));
        } catch (const Error& refused) {
            skip(file.path, refused);
        }
    }
    return models;
}

ImportModel plan_path(const models::RemoteModel& remote, bool is_folder) {
    if (!remote.chosen) {
        fail(ErrorCode::unsupported_format, "there are no GGUF or safetensors files at {}",
             "{} 处没有 GGUF 或 safetensors 文件", remote.repository.summary.name);
    }
    ImportModel model;
    model.pinned = remote.pinned;
    model.name = remote.repository.summary.name;
    const fs::path base = remote.pinned.repo;
    for (const std::string& path : remote.chosen->files) {
        model.files.push_back({.path = path, .source = is_folder ? base / path : base, .sha256 = {}, .git_sha1 = {}});
    }
    return model;
}

}  // namespace llmm::store
