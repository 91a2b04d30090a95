#include "features/models/model_service.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/fs/safe_path.hpp"
#include "base/log/log.hpp"

#include <algorithm>
#include <fcntl.h>

namespace llmm::models {

namespace {

[[noreturn]] void not_found(const ModelId& id) {
    fail(ErrorCode::model_not_found, "there is no model {}", "模型 {} 不存在", id.str());
}

}  // namespace

Task<storage::Page<Model>> ModelService::list(ModelQuery query) {
    return deps_.store.list(std::move(query));
}

Task<Model> ModelService::get(ModelId id) {
    auto model = co_await deps_.store.find(id);
    if (!model) not_found(id);
    co_return *std::move(model);
}

Task<std::optional<Model>> ModelService::find_ready(ModelRef ref) {
    return deps_.store.find_ready(std::move(ref));
}

Task<Model> ModelService::update(ModelId id, ModelChanges changes) {
    if (!co_await deps_.store.update(id, changes.name, changes.description, changes.tags)) not_found(id);
    co_return co_await get(id);
}

Task<Model> ModelService::add_external(std::string name, std::string ref) {
    return deps_.store.add_external(std::move(name), std::move(ref));
}

Task<> ModelService::remove_external(ModelId id) {
    return deps_.store.remove_external(std::move(id));
}

Task<std::int64_t> ModelService::remove(ModelId id) {
    const Model model = co_await get(id);
    const std::vector<ModelFile> files = co_await deps_.store.files(id);
    // The rows go first: a crash in between leaves files that nothing names, never a row that names nothing.
    const auto freed = co_await deps_.store.remove(id);
    std::int64_t bytes = 0;
    co_await deps_.files.run([&] {
        for (const ModelFile& file : files)
            deps_.blobs.unlink(link_path(parse_model_ref(model.ref), file.path));
        for (const auto& [blob, size] : freed) {
            deps_.blobs.remove(blob);
            bytes += size;
        }
    });
    log::info("model deleted", {{"model", model.ref}, {"freed_bytes", bytes}});
    co_return bytes;
}

Task<std::vector<ModelFile>> ModelService::files(ModelId id) {
    co_await get(id);
    co_return co_await deps_.store.files(id);
}

Task<storage::Page<ModelFile>> ModelService::file_page(ModelId id, int limit, std::string cursor) {
    co_await get(id);
    co_return co_await deps_.store.file_page(id, limit, std::move(cursor));
}

Task<std::filesystem::path> ModelService::engine_path(ModelId id) {
    const Model model = co_await get(id);
    if (model.status != Status::ready) {
        throw Error(ErrorCode::model_not_ready,
                    Text::format("the model {} is {}, not ready", "模型 {0} 尚未就绪（{1}）", model.name,
                                 name_of(model.status)),
                    {{"state", std::string(name_of(model.status))}});
    }
    const ModelRef ref = parse_model_ref(model.ref);
    // Sorted by path: of a split set an engine opens the first part and finds the others beside it.
    for (const ModelFile& file : co_await deps_.store.files(id)) {
        const auto path = deps_.blobs.model_path(link_path(ref, file.path));
        if (model.format == Format::safetensors && file.path.ends_with(".safetensors")) co_return path.parent_path();
        if (model.format == Format::gguf && file.path.ends_with(".gguf")) co_return path;
    }
    fail(ErrorCode::unsupported_format, "the model {} has no file that an engine could load",
         "模型 {} 没有可供引擎加载的文件", model.name);
}

Task<std::vector<formats::GgufHeader>> ModelService::gguf_headers(ModelId id) {
    const Model model = co_await get(id);
    if (model.format != Format::gguf) co_return std::vector<formats::GgufHeader>();
    const ModelRef ref = parse_model_ref(model.ref);
    std::vector<std::filesystem::path> paths;
    for (const ModelFile& file : co_await deps_.store.files(id))
        if (file.path.ends_with(".gguf")) paths.push_back(deps_.blobs.model_path(link_path(ref, file.path)));
    co_return co_await deps_.files.run([&paths] {
        std::vector<formats::GgufHeader> headers;
        for (const auto& path : paths) {
            const UniqueFd fd = open_file(path, O_RDONLY);
            auto header = formats::read_gguf(formats::DescriptorSource::whole_file(fd.get()));
            if (!header) return std::vector<formats::GgufHeader>();
            // Of what else lies there (the image half of a model) nothing is loaded.
            if (headers.empty() || header->split) headers.push_back(std::move(*header));
        }
        return headers;
    });
}

Task<std::vector<Model>> ModelService::siblings(ModelId id) {
    const ModelRef ref = parse_model_ref((co_await get(id)).ref);
    ModelQuery query{.text = ref.repo, .status = Status::ready, .source = ref.source};
    query.limit = 200;
    std::vector<Model> found;
    for (Model& model : (co_await list(std::move(query))).items)
        if (model.id != id && parse_model_ref(model.ref).repo == ref.repo) found.push_back(std::move(model));
    std::ranges::sort(found, std::greater<>(), &Model::size_bytes);
    co_return found;
}

Task<> ModelService::verify(ModelId id, std::function<void(double)> report) {
    const std::vector<ModelFile> files = co_await this->files(id);
    std::int64_t total = 1, done = 0;
    for (const ModelFile& file : files)
        total += file.size;
    std::string damaged;
    for (const ModelFile& file : files) {
        const bool intact = co_await deps_.files.run([&] { return deps_.blobs.verify(file.sha256, {}, stopping_); });
        if (intact) {
            co_await deps_.store.set_verified(file.sha256);
        } else {
            damaged += (damaged.empty() ? "" : ", ") + file.path;
        }
        done += file.size;
        report(static_cast<double>(done) / static_cast<double>(total));
    }
    if (damaged.empty()) {
        co_await deps_.store.mark(id, Status::ready);
        co_return;
    }
    co_await deps_.store.mark(id, Status::broken);
    fail(ErrorCode::digest_mismatch, "these files differ from their digest: {}; download the model again",
         "以下文件与摘要不符：{}；请重新下载模型", damaged);
}

}  // namespace llmm::models
