#include "features/store/store_service.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/models/model_facts.hpp"
#include "features/store/import_plan.hpp"
#include "features/store/publication.hpp"
#include "features/store/store_json.hpp"
#include "integrations/formats/file_type.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

namespace llmm::store {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;

fs::path parse_path(const std::string& text) {
    auto path = LocalRoots::parse(text);
    if (!path) {
        throw Error(ErrorCode::validation_failed, Text{"this is not an absolute path", "这不是绝对路径"},
                    {{"path", FieldProblem{Text{"is not an absolute path without \"..\"", "不是不含“..”的绝对路径"}}}});
    }
    return *std::move(path);
}

std::int64_t size_below(const fs::path& folder) {
    std::int64_t size = 0;
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, ignored)) {
        if (entry.is_regular_file(ignored)) size += static_cast<std::int64_t>(entry.file_size(ignored));
    }
    return size;
}

TimePoint changed_at(const fs::path& path) {
    struct ::stat info{};
    return ::lstat(path.c_str(), &info) == 0 ? from_epoch_ms(info.st_ctim.tv_sec * 1000) : now();
}

}  // namespace

// A file on its way into the store. Its part is deleted when it does not get there.
struct StoreService::Incoming {
    struct Part {
        explicit Part(fs::path name) : path(std::move(name)) {}
        Part(Part&& other) noexcept : path(std::exchange(other.path, {})) {}
        Part& operator=(Part&&) = delete;
        ~Part() {
            std::error_code ignored;
            if (!path.empty()) fs::remove(path, ignored);
        }
        fs::path path;
    };
    Part part;
    models::ModelFile file;
    storage::Taken how;
};

StoreService::StoreService(Deps deps, fs::path home) : deps_(deps), home_(std::move(home)) {
    deps_.queue.add_kind("import", 1, [this](const tasks::TaskRun& task) { return run_import(task); });
    deps_.queue.add_kind("verify_store", 1, [this](const tasks::TaskRun& task) { return run_verification(task); });
}

Task<std::pair<Import, tasks::QueuedTask>> StoreService::start_import(ImportRequest request) {
    request.path = parse_path(request.path).string();
    const auto found = co_await plan(request);
    if (found.empty()) {
        fail(ErrorCode::unsupported_format, "there is no model in this folder that could be taken over",
             "该目录中没有可导入的模型");
    }
    Import import = co_await deps_.store.start_import(std::move(request));
    deps_.queue.wake();
    tasks::QueuedTask task = co_await deps_.queue.get(import.task_id);
    co_return std::pair(std::move(import), std::move(task));
}

Task<std::pair<Import, tasks::QueuedTask>> StoreService::get_import(ImportId id) {
    const auto known = co_await deps_.store.find_import(id);
    if (!known) fail(ErrorCode::not_found, "there is no import {}", "导入 {} 不存在", id.str());
    tasks::QueuedTask task = co_await deps_.queue.get(known->task_id);
    // Read after the task: of one that is over, all of the result is there.
    auto import = co_await deps_.store.find_import(id);
    if (!import) import = known;
    co_return std::pair(*std::move(import), std::move(task));
}

Task<std::vector<ImportModel>> StoreService::plan(ImportRequest request) {
    const fs::path path = parse_path(request.path);
    if (request.source == ImportSource::hf_cache)
        co_return co_await deps_.files.run([&] { return plan_hf_cache(deps_.roots, path); });
    if (request.source == ImportSource::ollama)
        co_return co_await deps_.files.run([&] { return plan_ollama(deps_.roots, path); });
    const models::RemoteModel remote = co_await deps_.hubs.resolve(
        {.source = models::Source::local, .repo = path.string(), .revision = {}, .variant = request.variant});
    const bool is_folder = co_await deps_.files.run([&] { return deps_.roots.is_directory(path); });
    std::vector<ImportModel> models;
    models.push_back(plan_path(remote, is_folder));
    co_return models;
}

Task<> StoreService::run_import(const tasks::TaskRun& task) {
    const auto import = co_await deps_.store.find_import(ImportId::trusted(task.task.subject));
    if (!import) co_return;
    const ImportRequest request = import->request;
    const auto found = co_await plan(request);
    ImportResult result;
    double done = 0;
    for (const ImportModel& model : found) {
        std::optional<Error> refused;
        try {
            co_await import_model(model, request, result);
        } catch (const Error& error) {
            const bool ends_all = error.code() == ErrorCode::cancelled || error.code() == ErrorCode::disk_full ||
                                  error.code() == ErrorCode::scan_unavailable;
            if (ends_all || found.size() == 1) throw;
            refused = error;
        }
        if (refused) {
            result.skipped.push_back(
                {model.pinned.str(), std::string(llmm::name_of(refused->code())), refused->message().en});
        }
        task.report_progress(++done / static_cast<double>(found.size()));
        co_await deps_.store.save_result(import->id, result);
    }
    log::info("import done", {{"path", request.path}, {"models", result.models.size()}, {"bytes", result.bytes}});
}

Task<> StoreService::import_model(ImportModel model, ImportRequest request, ImportResult& result) {
    if (const auto known = co_await deps_.models.find_ready(model.pinned)) {
        ++result.already_here;
        result.models.push_back(known->id.str());
        co_return;
    }
    std::vector<Incoming> incoming;
    for (const ImportFile& file : model.files)
        incoming.push_back(co_await deps_.files.run([&] { return take(file, request.may_copy); }));
    if (deps_.scanner) co_await scan(incoming);
    std::vector<models::ModelFile> files;
    for (const Incoming& taken : incoming)
        files.push_back(taken.file);
    models::ModelFacts facts;
    co_await deps_.files.run([&] {
        publish(incoming, result);
        for (const models::ModelFile& file : files) {
            const models::ModelFacts seen = models::read_model_facts(deps_.blobs.path_of(file.sha256), file.path);
            if (!facts.format) facts = seen;
        }
        for (const models::ModelFile& file : files)
            deps_.blobs.link(models::link_path(model.pinned, file.path), file.sha256);
    });
    if (!facts.license) facts.license = model.license;
    if (!facts.quantization) facts.quantization = model.pinned.variant;
    const ModelId id = co_await deps_.store.add_ready_model(std::move(model), std::move(files), std::move(facts));
    result.models.push_back(id.str());
}

StoreService::Incoming StoreService::take(const ImportFile& file, bool may_copy) const {
    const auto path = SafePath::parse(file.path);
    if (!path) fail(ErrorCode::unsafe_file, "the file name \"{}\" is not safe", "文件名“{}”不安全", file.path);
    if (const auto problem = formats::check_name(file.path)) throw Error(problem->code, problem->message);
    const UniqueFd source = deps_.roots.open_file(file.source);
    std::array<std::byte, formats::kSniffBytes> beginning;
    const std::size_t n = read_at(source.get(), beginning, 0);
    if (const auto problem = formats::check_first_bytes(file.path, std::span(beginning).first(n)))
        throw Error(problem->code, problem->message);

    make_directories(incoming());
    Incoming::Part part(incoming() / make_uuid_v7());
    const storage::Taken how = storage::take_file(source.get(), part.path, may_copy);
    // What is hashed is what is kept, whatever the original does meanwhile.
    const UniqueFd taken = open_file(part.path, O_RDONLY | O_NOFOLLOW);
    Sha256Stream stream;
    std::vector<std::byte> buffer(kReadBytes);
    std::vector<std::byte> small;  // for git's digest, which begins with the size
    std::uint64_t size = 0;
    for (;;) {
        if (stopping_) fail(ErrorCode::cancelled, "the import was cancelled", "导入已取消");
        const std::size_t count = read_at(taken.get(), buffer, size);
        if (count == 0) break;
        stream.update(std::span(buffer).first(count));
        if (file.git_sha1)
            small.insert(small.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
        size += count;
    }
    const Sha256 digest = stream.finish();
    if ((file.sha256 && digest != *file.sha256) || (file.git_sha1 && git_blob_sha1(small) != *file.git_sha1)) {
        fail(ErrorCode::digest_mismatch, "\"{}\" differs from the digest in its name: the file is damaged",
             "“{}”与其名称中的摘要不符：文件已损坏", file.path);
    }
    return {.part = std::move(part),
            .file = {.model_id = ModelId::trusted(""),
                     .path = file.path,
                     .size = static_cast<std::int64_t>(size),
                     .sha256 = digest,
                     .verified_at = now()},
            .how = how};
}

Task<> StoreService::scan(const std::vector<Incoming>& files) {
    std::vector<clamav::Clamd::File> parts;
    for (const Incoming& file : files)
        parts.push_back({file.part.path, static_cast<std::uint64_t>(file.file.size)});
    const auto found = co_await deps_.scanner->scan(std::move(parts));
    if (!found) co_return;
    const std::string& path = files[found->file].file.path;
    log::warning("the virus scanner has found something", {{"file", path}, {"found", found->name}});
    fail(ErrorCode::unsafe_file, "the virus scanner found {} in \"{}\"; the file was not taken over",
         "病毒扫描器在“{1}”中发现 {0}；未导入该文件", found->name, path);
}

void StoreService::publish(const std::vector<Incoming>& files, ImportResult& result) const {
    for (const auto& [part, file, how] : files) {
        const bool was_here = deps_.blobs.exists(file.sha256);
        deps_.blobs.publish(part.path, file.sha256, static_cast<std::uint64_t>(file.size));
        if (was_here) continue;
        result.bytes += file.size;
        result.reflinks += how == storage::Taken::reflink;
        result.hard_links += how == storage::Taken::hard_link;
        result.copies += how == storage::Taken::copy;
    }
}

Task<LinkResult> StoreService::link(Layout layout, std::string text, std::optional<ModelId> only) {
    const fs::path path = parse_path(text);
    co_await deps_.files.run([&] {
        deps_.roots.check(path);
        std::error_code ignored;
        if (!fs::exists(path, ignored)) {
            deps_.roots.open_directory(path.parent_path());
            make_directories(path, 0755);
        }
        deps_.roots.open_directory(path);
    });
    std::vector<models::Model> wanted;
    if (only) {
        wanted.push_back(co_await deps_.models.get(*only));
    } else {
        models::ModelQuery query;
        query.status = models::Status::ready;
        query.limit = 200;
        do {
            auto page = co_await deps_.models.list(query);
            std::ranges::move(page.items, std::back_inserter(wanted));
            query.cursor = page.next_cursor.value_or("");
        } while (!query.cursor.empty());
    }
    LinkResult result;
    for (const models::Model& model : wanted) {
        const auto files = co_await deps_.models.files(model.id);
        std::optional<Error> refused;
        try {
            if (model.status != models::Status::ready) {
                fail(ErrorCode::model_not_ready, "the model {} is not ready", "模型 {} 尚未就绪", model.name);
            }
            const Published published = co_await deps_.files.run([&] {
                const GuardedDirectory folder(path);
                return layout == Layout::hf_cache
                           ? publish_hf_cache(deps_.blobs, folder, model, files)
                           : publish_ollama(deps_.blobs, folder, model, files, ollama_texts(model.metadata));
            });
            result.linked.push_back({model.ref, published.name});
            result.hard_links += published.hard_links;
            result.symbolic_links += published.symbolic_links;
        } catch (const Error& error) {
            if (only) throw;
            refused = error;
        }
        if (refused)
            result.skipped.push_back({model.ref, std::string(llmm::name_of(refused->code())), refused->message().en});
    }
    co_return result;
}

Task<Collection> StoreService::collect(bool dry_run, std::chrono::seconds min_age) {
    const TimePoint newest = now() - min_age;
    Collection collection;
    collection.dry_run = dry_run;
    const auto wanted = co_await deps_.store.referenced_blobs();
    const auto downloads = co_await deps_.store.download_ids();
    const auto on_disk = co_await deps_.files.run([&] { return deps_.blobs.list(); });

    for (const auto& blob : on_disk) {
        const bool is_wanted = std::ranges::binary_search(wanted, blob.digest, {}, &BlobRow::digest);
        if (is_wanted || blob.changed_at > newest) continue;
        // Asked again at the last moment: a download may just have finished with it.
        if (!dry_run) {
            if (!co_await deps_.store.forget_blob(blob.digest)) continue;
            co_await deps_.files.run([&] { deps_.blobs.remove(blob.digest); });
        }
        collection.garbage.push_back({Garbage::Kind::blob, blob.digest.hex(), static_cast<std::int64_t>(blob.size)});
    }
    for (const BlobRow& row : wanted) {
        const auto is_it = [&](const auto& blob) { return blob.digest == row.digest; };
        if (std::ranges::none_of(on_disk, is_it)) collection.missing.push_back(row.digest.hex());
    }
    co_await deps_.files.run([&] {
        std::error_code ignored;
        for (const fs::directory_entry& entry : fs::directory_iterator(home_ / "downloads", ignored)) {
            const std::string name = entry.path().filename().string();
            if (!is_uuid(name) || downloads.contains(name) || changed_at(entry.path()) > newest) continue;
            collection.garbage.push_back({Garbage::Kind::part, name, size_below(entry.path())});
            if (!dry_run) fs::remove_all(entry.path(), ignored);
        }
        for (const fs::directory_entry& entry : fs::directory_iterator(incoming(), ignored)) {
            if (changed_at(entry.path()) > newest) continue;
            collection.garbage.push_back({Garbage::Kind::part, entry.path().filename().string(),
                                          static_cast<std::int64_t>(entry.file_size(ignored))});
            if (!dry_run) fs::remove(entry.path(), ignored);
        }
        for (const SafePath& link : deps_.blobs.dangling_links()) {
            collection.garbage.push_back({Garbage::Kind::link, link.str(), 0});
            if (!dry_run) deps_.blobs.unlink(link);
        }
    });
    for (const Garbage& garbage : collection.garbage)
        collection.size += garbage.size;
    if (!dry_run && !collection.garbage.empty())
        log::info("garbage collected", {{"items", collection.garbage.size()}, {"bytes", collection.size}});
    co_return collection;
}

Task<tasks::QueuedTask> StoreService::start_verification() {
    co_return co_await deps_.queue.enqueue_unique(
        {.kind = "verify_store", .subject = {}, .unique_key = "verify_store", .max_attempts = 1});
}

Task<> StoreService::run_verification(const tasks::TaskRun& task) {
    const auto blobs = co_await deps_.store.referenced_blobs();
    std::int64_t total = 1, done = 0;
    for (const BlobRow& blob : blobs)
        total += blob.size;
    std::vector<std::string> damaged;
    for (const BlobRow& blob : blobs) {
        const bool intact = co_await deps_.files.run([&] { return deps_.blobs.verify(blob.digest, {}, stopping_); });
        if (intact) {
            co_await deps_.store.set_verified(blob.digest);
        } else {
            co_await deps_.store.mark_broken(blob.digest);
            damaged.push_back(blob.digest.hex());
        }
        done += blob.size;
        task.report_progress(static_cast<double>(done) / static_cast<double>(total));
    }
    if (damaged.empty()) co_return;
    fail(ErrorCode::digest_mismatch,
         "{} of {} files differ from their digest or are missing; the models that use them are marked broken",
         "{1} 个文件中有 {0} 个与摘要不符或缺失；使用它们的模型已标记为损坏", damaged.size(), blobs.size());
}

}  // namespace llmm::store
