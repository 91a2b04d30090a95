#include "features/store/publication.hpp"

#include "base/error/error.hpp"
#include "features/store/store_json.hpp"
#include "integrations/ollama/ollama_name.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <sys/file.h>

#include <fmt/format.h>

namespace llmm::store {
namespace {

namespace fs = std::filesystem;

// The hub keeps files of these kinds, and every larger one, in LFS: the cache names those by SHA-256, others by git's
// SHA-1.
constexpr std::string_view kLfsEndings[] = {".gguf", ".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack"};
constexpr std::int64_t kLfsSize = 10'000'000;

SafePath path_in(const std::string& text) {
    const auto path = SafePath::parse(text);
    if (!path) fail(ErrorCode::unsafe_file, "the file name \"{}\" is not safe", "文件名“{}”不安全", text);
    return *path;
}

// A second name of our blob, or a link to it where the folder is on another file system.
void put_blob(const storage::BlobStore& blobs, const GuardedDirectory& folder, const SafePath& path,
              const Sha256& digest, Published& published) {
    folder.make_parents(path);
    const fs::path source = blobs.path_of(digest);
    if (folder.hard_link_to(path, source)) {
        ++published.hard_links;
    } else {
        folder.link_to(path, source);
        ++published.symbolic_links;
    }
}

std::string git_name(const fs::path& blob, std::int64_t size) {
    const UniqueFd fd = open_file(blob, O_RDONLY);
    std::vector<std::byte> content(static_cast<std::size_t>(size));
    content.resize(read_at(fd.get(), content, 0));
    return git_blob_sha1(content);
}

// The lock that the hub's own tools hold while they write a blob; gone with the descriptor.
UniqueFd lock_blob(const GuardedDirectory& folder, const std::string& repo_folder, const std::string& blob) {
    const SafePath path = path_in(fmt::format(".locks/{}/{}.lock", repo_folder, blob));
    folder.make_parents(path);
    UniqueFd fd = folder.open(path, O_RDWR | O_CREAT, 0664);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        fail(ErrorCode::state_conflict, "another program is writing to the cache of {} right now",
             "另一个程序正在写入 {} 的缓存", repo_folder);
    }
    return fd;
}

bool exists(const GuardedDirectory& folder, const SafePath& path) {
    std::error_code ignored;
    return fs::exists(folder.root() / path.str(), ignored);
}

// A text as a blob of Ollama's store.
OllamaLayer put_text(const GuardedDirectory& folder, const std::string& type, const std::string& text) {
    const Sha256 digest = Sha256::of(text);
    const SafePath path = path_in("blobs/sha256-" + digest.hex());
    folder.make_parents(path);
    if (!exists(folder, path)) folder.write(path, text);
    return {type, digest.hex(), static_cast<std::int64_t>(text.size())};
}

// A part of an Ollama name out of any text.
std::string name_part(std::string_view text) {
    std::string part;
    for (const char c : text.substr(0, 60)) {
        const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        part += fits || (!part.empty() && (c == '-' || c == '.')) ? c : '_';
    }
    while (part.ends_with('.'))
        part.pop_back();
    return part.empty() ? "model" : part;
}

// As `ollama` would call it: a model of its registry keeps its name, one of HuggingFace is what `ollama pull hf.co/…`
// makes.
hubs::ollama::Name ollama_name(const models::ModelRef& ref, const models::Model& model) {
    if (ref.source == models::Source::ollama) {
        if (auto name = hubs::ollama::Name::parse(ref.repo)) return *name;
    }
    const std::string tag = name_part(ref.variant.empty() ? "latest" : ref.variant);
    const auto slash = ref.repo.find('/');
    if (ref.source == models::Source::huggingface && slash != std::string::npos)
        return {.host = "hf.co",
                .owner = name_part(ref.repo.substr(0, slash)),
                .model = name_part(ref.repo.substr(slash + 1)),
                .tag = tag};
    return {.host = {}, .owner = "library", .model = name_part(model.name), .tag = tag};
}

}  // namespace

Published publish_hf_cache(const storage::BlobStore& blobs, const GuardedDirectory& folder, const models::Model& model,
                           const std::vector<models::ModelFile>& files) {
    const models::ModelRef ref = models::parse_model_ref(model.ref);
    if (ref.source != models::Source::huggingface) {
        fail(ErrorCode::unsupported_format, "{} is not from HuggingFace, whose cache names repositories and commits",
             "{} 不来自 HuggingFace，无法放入其缓存", model.name);
    }
    Published published;
    std::string repo_folder = "models--" + ref.repo;
    if (const auto slash = repo_folder.find('/'); slash != std::string::npos) repo_folder.replace(slash, 1, "--");
    const SafePath tag = path_in("CACHEDIR.TAG");
    if (!exists(folder, tag)) {
        folder.write(tag,
                     "Signature: 8a477f597d28d172789f06886806bc55\n"
                     "# This file is a cache directory tag: https://bford.info/cachedir/\n");
    }
    for (const models::ModelFile& file : files) {
        const bool is_lfs = file.size >= kLfsSize || std::ranges::any_of(kLfsEndings, [&](std::string_view ending) {
                                return file.path.ends_with(ending);
                            });
        const std::string blob = is_lfs ? file.sha256.hex() : git_name(blobs.path_of(file.sha256), file.size);
        const UniqueFd held = lock_blob(folder, repo_folder, blob);
        const SafePath blob_path = path_in(fmt::format("{}/blobs/{}", repo_folder, blob));
        put_blob(blobs, folder, blob_path, file.sha256, published);
        const SafePath link = path_in(fmt::format("{}/snapshots/{}/{}", repo_folder, ref.revision, file.path));
        folder.make_parents(link);
        folder.link_to(link, folder.root() / blob_path.str());
    }
    // A branch that the cache knows already may be newer than ours.
    const SafePath main = path_in(repo_folder + "/refs/main");
    folder.make_parents(main);
    if (!exists(folder, main)) folder.write(main, ref.revision);
    published.name = ref.repo + "@" + ref.revision;
    return published;
}

Published publish_ollama(const storage::BlobStore& blobs, const GuardedDirectory& folder, const models::Model& model,
                         const std::vector<models::ModelFile>& files,
                         const std::vector<std::pair<std::string, std::string>>& texts) {
    if (files.size() != 1 || model.format != models::Format::gguf) {
        fail(ErrorCode::unsupported_format, "{} is not one GGUF file, which is what Ollama's store takes",
             "{} 不是单个 GGUF 文件，Ollama 的存储只接受这种模型", model.name);
    }
    Published published;
    const models::ModelFile& file = files.front();
    const hubs::ollama::Name name = ollama_name(models::parse_model_ref(model.ref), model);
    put_blob(blobs, folder, path_in("blobs/sha256-" + file.sha256.hex()), file.sha256, published);
    std::vector<OllamaLayer> layers = {{"model", file.sha256.hex(), file.size}};
    for (const auto& [type, text] : texts)
        layers.push_back(put_text(folder, type, text));
    if (model.license && model.license->size() > 64) layers.push_back(put_text(folder, "license", *model.license));
    const OllamaLayer config = put_text(
        folder, "config",
        ollama_config(model.architecture.value_or("unknown"), model.quantization.value_or(""), file.sha256.hex()));
    const SafePath manifest =
        path_in(fmt::format("manifests/{}/{}/{}/{}", name.host.empty() ? "registry.ollama.ai" : name.host, name.owner,
                            name.model, name.tag));
    folder.make_parents(manifest);
    folder.write(manifest, ollama_manifest(config, layers));
    published.name = name.str();
    return published;
}

}  // namespace llmm::store
