#include "integrations/demo/demo_hub.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <algorithm>
#include <system_error>

#include <toml++/toml.h>

namespace llmm::hubs {
namespace {

constexpr std::size_t kMaxShelfBytes = 1 << 20;
constexpr std::size_t kMaxCardBytes = 256 * 1024;
constexpr std::string_view kCategory = "text-generation";

[[noreturn]] void bad_shelf(const std::string& why) {
    throw Error(ErrorCode::internal, {"the shelf of demo models is damaged: install the program again",
                                      "内置演示模型的清单已损坏：请重新安装程序"})
        .with_log_note("shelf.toml: " + why);
}

toml::table parse_shelf(const std::string& text) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        bad_shelf(std::string(error.description()));
    }
}

std::string required_text(const toml::table& entry, std::string_view name) {
    const auto text = entry[name].value<std::string>();
    if (!text || text->empty()) bad_shelf(fmt::format("a model has no {}", name));
    return *text;
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return part.empty() || !std::ranges::search(text, part, {}, lower, lower).empty();
}

bool matches(const ModelSummary& model, const SearchQuery& query) {
    return (contains_ignoring_case(model.name, query.text) ||
            contains_ignoring_case(model.description.value_or(""), query.text)) &&
           (query.category.empty() || query.category == model.category) &&
           (query.format.empty() || std::ranges::find(model.formats, query.format) != model.formats.end());
}

}  // namespace

DemoHub::DemoHub(std::filesystem::path shelf_directory) : directory_(std::move(shelf_directory)) {
    const toml::table shelf = parse_shelf(read_text_file(directory_ / "shelf.toml", kMaxShelfBytes));
    const toml::array* entries = shelf["model"].as_array();
    if (!entries) bad_shelf("no [[model]]");
    for (const toml::node& node : *entries) {
        const toml::table* entry = node.as_table();
        if (!entry) bad_shelf("a model is not a table");
        const std::string name = required_text(*entry, "name");
        const std::string file = required_text(*entry, "file");
        const auto digest = Sha256::parse(required_text(*entry, "sha256"));
        const auto size = (*entry)["size"].value<std::int64_t>();
        if (!digest || !size || *size < 0) bad_shelf(name + " has no valid sha256 or size");
        if (file.contains('/') || file == "..") bad_shelf(name + " names a file elsewhere");
        const std::string format = std::filesystem::path(file).extension().string();

        Model model;
        model.summary.repo = model.summary.name = name;
        model.summary.description = (*entry)["description"].value<std::string>();
        model.summary.license = (*entry)["license"].value<std::string>();
        model.summary.category = std::string(kCategory);
        if (format.size() > 1) model.summary.formats = model.summary.tags = {format.substr(1)};
        model.file = {
            .path = file, .size = static_cast<std::uint64_t>(*size), .sha256 = digest, .git_sha1 = std::nullopt};
        // Shaped like a commit; it changes exactly when a file does.
        model.revision = Sha256::of(fmt::format("{}  {}\n", digest->hex(), file)).hex().substr(0, 40);
        models_.push_back(std::move(model));
    }
    if (std::filesystem::exists(directory_ / "README.md"))
        card_ = read_text_file(directory_ / "README.md", kMaxCardBytes);
}

Task<SearchPage> DemoHub::search(SearchQuery query) {
    SearchPage page{.models = {}, .next_cursor = {}, .fetched_at = now()};
    for (const Model& model : models_) {
        if (page.models.size() == static_cast<std::size_t>(std::max(1, query.limit))) break;
        if (matches(model.summary, query)) page.models.push_back(model.summary);
    }
    co_return page;
}

Task<std::vector<Category>> DemoHub::categories() {
    co_return std::vector<Category>{{std::string(kCategory), "Text Generation"}};
}

Task<Repository> DemoHub::repository(std::string repo, std::string revision) {
    const Model& model = model_named(repo, revision);
    co_return Repository{.summary = model.summary, .revision = model.revision, .files = {model.file}, .card = card_};
}

Task<FileSource> DemoHub::locate(std::string repo, std::string revision, std::string path) {
    const Model& model = model_named(repo, revision);
    std::error_code ignored;
    if (path != model.file.path || !std::filesystem::is_regular_file(directory_ / path, ignored)) {
        fail(ErrorCode::hub_file_not_found, "{} has no file {}", "{} 没有文件 {}", repo, path);
    }
    co_return LocalSource{directory_ / path};
}

const DemoHub::Model& DemoHub::model_named(const std::string& repo, const std::string& revision) const {
    const auto found = std::ranges::find(models_, repo, [](const Model& model) { return model.summary.repo; });
    if (found == models_.end()) {
        fail(ErrorCode::hub_repo_not_found, "there is no demo model {}", "没有演示模型 {}", repo);
    }
    if (!revision.empty() && revision != found->revision) {
        fail(ErrorCode::hub_revision_not_found, "the demo model {} has no revision {}", "演示模型 {} 没有版本 {}", repo,
             revision);
    }
    return *found;
}

}  // namespace llmm::hubs
