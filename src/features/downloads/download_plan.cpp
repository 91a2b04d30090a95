#include "features/downloads/download_plan.hpp"

#include "base/error/error.hpp"
#include "base/fs/safe_path.hpp"
#include "integrations/formats/file_type.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace llmm::downloads {
namespace {

constexpr std::size_t kMaxFiles = 10'000;
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 40;  // 16 TiB: more than any disk here, far from overflow

void check_name(const hubs::RemoteFile& file, std::set<std::string>& folded_names) {
    const auto path = SafePath::parse(file.path);
    if (!path) {
        throw Error(ErrorCode::unsafe_file,
                    Text{"the repository has a file whose name is not safe", "仓库中存在不安全的文件名"})
            .with_log_note("file name: " + file.path.substr(0, 200));
    }
    if (!folded_names.insert(path->folded()).second) {
        fail(ErrorCode::unsafe_file, "two files differ only by the case of \"{}\"", "两个文件名“{}”仅大小写不同",
             file.path);
    }
    if (const auto problem = formats::check_name(file.path)) throw Error(problem->code, problem->message);
    if (file.size && *file.size > kMaxFileBytes) {
        fail(ErrorCode::hub_bad_response, "the hub gives an impossible size for \"{}\"", "模型站给出的“{}”大小不合理",
             file.path);
    }
}

bool is_wanted(const models::RemoteModel& model, const std::vector<std::string>& globs, const std::string& path) {
    if (!globs.empty()) {
        return std::any_of(globs.begin(), globs.end(),
                           [&](const std::string& glob) { return matches_glob(glob, path); });
    }
    const auto& files = model.chosen->files;
    return std::find(files.begin(), files.end(), path) != files.end();
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view path) {
    std::size_t g = 0, p = 0, star = std::string_view::npos, mark = 0;
    while (p < path.size()) {
        if (g < glob.size() && glob[g] == '*') {
            star = g++;
            mark = p;
        } else if (g < glob.size() && (glob[g] == '?' || glob[g] == path[p])) {
            ++g;
            ++p;
        } else if (star != std::string_view::npos) {
            g = star + 1;
            p = ++mark;
        } else {
            return false;
        }
    }
    while (g < glob.size() && glob[g] == '*')
        ++g;
    return g == glob.size();
}

Plan make_plan(const models::RemoteModel& model, const std::vector<std::string>& globs) {
    if (model.repository.files.empty()) {
        fail(ErrorCode::empty_repository, "the repository {} is empty", "仓库 {} 为空", model.pinned.repo);
    }
    if (globs.empty() && !model.chosen) {
        fail(ErrorCode::unsupported_format,
             "the repository {} has no GGUF or safetensors files; look for a GGUF version of the model",
             "仓库 {} 没有 GGUF 或 safetensors 文件；请查找该模型的 GGUF 版本", model.pinned.repo);
    }
    Plan plan{.pinned = model.pinned,
              .license = model.repository.summary.license,
              .is_public = !model.repository.summary.gated && !model.repository.summary.is_private,
              .stock_compatible = model.repository.stock_compatible,
              .files = {}};
    std::set<std::string> folded_names;
    for (const hubs::RemoteFile& file : model.repository.files) {
        if (!is_wanted(model, globs, file.path)) continue;
        check_name(file, folded_names);
        plan.files.push_back({file.path, file.size, file.sha256, file.git_sha1});
    }
    if (plan.files.empty()) {
        throw Error(ErrorCode::validation_failed, Text{"no file matches", "没有匹配的文件"},
                    {{"files", FieldProblem{Text{"matches no file of the repository", "与仓库中的文件均不匹配"}}}});
    }
    if (plan.files.size() > kMaxFiles) {
        fail(ErrorCode::unsafe_file, "that is {} files; at most {} are taken", "共 {} 个文件，最多允许 {} 个",
             plan.files.size(), kMaxFiles);
    }
    if (!globs.empty()) {
        // A choice of files is a model of its own: it must not stand for the whole variant later.
        std::vector<std::string> sorted = globs;
        std::sort(sorted.begin(), sorted.end());
        plan.pinned.variant = "files-" + Sha256::of(fmt::format("{}", fmt::join(sorted, "\n"))).hex().substr(0, 8);
    }
    // The first part of a split model says what the model is: fetched first, its facts are known early.
    std::sort(plan.files.begin(), plan.files.end(),
              [](const PlannedFile& a, const PlannedFile& b) { return a.path < b.path; });
    return plan;
}

}  // namespace llmm::downloads
