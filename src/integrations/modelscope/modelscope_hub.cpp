#include "integrations/modelscope/modelscope_hub.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "integrations/card.hpp"
#include "integrations/huggingface/links.hpp"
#include "integrations/huggingface/repo_id.hpp"
#include "integrations/modelscope/modelscope_json.hpp"

#include <algorithm>
#include <charconv>

namespace llmm::hubs {

using namespace modelscope;

namespace {

constexpr std::size_t kMaxSearchPages = 256, kMaxRepositories = 64;
constexpr std::int64_t kMaxPageSize = 100;
constexpr std::int64_t kMaxSearchRows = 3000;  // the service's limit of page_number * page_size
constexpr std::string_view kDefaultRevision = "master";
constexpr std::string_view kCardPath = "README.md";
constexpr int kMaxConnections = 8;  // more were seen to block each other

std::string_view sort_name(SortOrder order) {
    switch (order) {
        case SortOrder::downloads:
            return "downloads";
        case SortOrder::likes:
            return "likes";
        case SortOrder::updated:
            return "last_modified";
        case SortOrder::trending:
            break;
    }
    return "default";
}

void check(const std::string& repo, const std::string& revision) {
    if (!is_repo(repo)) {
        fail(ErrorCode::validation_failed, "not a ModelScope repository name: expected owner/name",
             "不是 ModelScope 仓库名，应为 owner/name");
    }
    if (!revision.empty() && !huggingface::Revision::parse(revision)) {
        fail(ErrorCode::validation_failed, "not a revision: expected a branch, tag or commit",
             "不是有效的版本，应为分支、标签或提交号");
    }
}

std::int64_t page_of(const std::string& cursor) {
    if (cursor.empty()) return 1;
    std::int64_t page = 0;
    const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), page);
    if (error != std::errc{} || end != cursor.data() + cursor.size() || page < 1 || page > kMaxSearchRows) {
        throw Error(ErrorCode::validation_failed, Text{"the cursor is not one of this list", "游标不属于此列表"},
                    {{"cursor", FieldProblem{Text{"is not one of this list", "不属于此列表"}}}});
    }
    return page;
}

}  // namespace

ModelScopeHub::ModelScopeHub(Options options, HttpClient& http, const UrlGuard& guard)
    : options_(std::move(options)),
      client_({.setting = {"name a mirror in MODELSCOPE_ENDPOINT", "用 MODELSCOPE_ENDPOINT 指定镜像"},
               .request_timeout = options_.request_timeout,
               .first_retry_delay = options_.first_retry_delay},
              http, guard),
      pages_(kMaxSearchPages, options_.cache_lifetime),
      repositories_(kMaxRepositories, options_.cache_lifetime) {}

Task<SearchPage> ModelScopeHub::search(SearchQuery query) {
    const std::int64_t page = page_of(query.cursor);
    const std::int64_t size = std::clamp<std::int64_t>(query.limit, 1, kMaxPageSize);
    Url url = url_of("openapi/v1/models");
    if (!query.text.empty()) url = url.with_query("search", query.text);
    url = url.with_query("sort", sort_name(query.sort))
              .with_query("page_number", std::to_string(page))
              .with_query("page_size", std::to_string(size));
    if (!query.format.empty()) url = url.with_query("filter.library", query.format);
    if (!query.category.empty()) url = url.with_query("filter.task", query.category);
    co_return co_await pages_.get(url.str(), [this, url, page, size] { return fetch_search(url, page, size); });
}

Task<SearchPage> ModelScopeHub::fetch_search(Url url, std::int64_t page, std::int64_t size) {
    const HubClient::Answer answer = co_await ask(url, {});
    SearchResult result = parse_search(answer.response.body);
    const bool has_more = page * size < std::min(result.total, kMaxSearchRows - size) && !result.models.empty();
    co_return SearchPage{.models = std::move(result.models),
                         .next_cursor = has_more ? std::to_string(page + 1) : std::string(),
                         .fetched_at = now()};
}

Task<std::vector<Category>> ModelScopeHub::categories() {
    co_return std::vector<Category>{};
}

Task<Repository> ModelScopeHub::repository(std::string repo, std::string revision) {
    check(repo, revision);
    const std::string key = repo + "@" + revision;
    co_return co_await repositories_.get(key, [this, repo, revision] { return fetch_repository(repo, revision); });
}

Task<Repository> ModelScopeHub::fetch_repository(std::string repo, std::string revision) {
    const HubClient::Answer detail = co_await ask(url_of("openapi/v1/models/" + repo), repo);
    Repository repository;
    repository.summary = parse_detail(detail.response.body);
    const std::string asked = revision.empty() ? std::string(kDefaultRevision) : revision;
    const HubClient::Answer listing = co_await ask(url_of(fmt::format("api/v1/models/{}/repo/files", repo))
                                                       .with_query("Revision", asked)
                                                       .with_query("Recursive", "True"),
                                                   repo);
    FileList list = parse_files(listing.response.body);
    // A commit pins what a branch means now; a list that doesn't tell of commits leaves only the branch.
    const bool is_pinned = huggingface::is_git_sha1(revision);
    repository.revision = is_pinned || list.commit.empty() ? asked : list.commit;
    repository.files = std::move(list.files);
    for (const std::string_view format : {"gguf", "safetensors"}) {
        auto& formats = repository.summary.formats;
        const auto is_one = [&](const RemoteFile& file) { return file.path.ends_with(fmt::format(".{}", format)); };
        if (std::ranges::find(formats, format) == formats.end() && std::ranges::any_of(repository.files, is_one))
            formats.emplace_back(format);
    }
    const auto card = std::ranges::find(repository.files, kCardPath, &RemoteFile::path);
    if (card != repository.files.end() && card->size.value_or(0) <= kMaxCardBytes)
        repository.card = co_await fetch_card(repo, repository.revision);
    co_return repository;
}

// A model is worth showing without its card: failures only cost the card.
Task<std::optional<std::string>> ModelScopeHub::fetch_card(std::string repo, std::string revision) {
    try {
        const HubClient::Answer answer = co_await client_.ask({.url = file_url(repo, revision, std::string(kCardPath)),
                                                               .bearer = options_.token,
                                                               .max_body_bytes = kMaxCardBytes});
        if (answer.response.status == 200) co_return card_of(answer.response.body);
    } catch (const Error& error) {
        log::debug("a model has no card", {{"repo", repo}, {"reason", error.message().en}});
    }
    co_return std::nullopt;
}

Task<FileSource> ModelScopeHub::locate(std::string repo, std::string revision, std::string path) {
    check(repo, revision);
    const Url url = file_url(repo, revision.empty() ? std::string(kDefaultRevision) : revision, path);
    const HubClient::Answer answer =
        co_await client_.ask_head({.url = url, .headers = {{"Range", "bytes=0-0"}}, .bearer = options_.token});
    RemoteSource source{.url = answer.url, .bearer = options_.token, .expires_at = std::nullopt};
    source.max_connections = kMaxConnections;
    source.ranges_come_as_200 = true;
    if (answer.elsewhere) {
        source.url = *answer.elsewhere;
        source.bearer = {};
        source.expires_at = huggingface::expiry_of(source.url);
        co_return source;
    }
    if (answer.response.status == 404) {
        fail(ErrorCode::hub_file_not_found, "{} has no file {}", "{} 没有文件 {}", repo, path);
    }
    // 416: an empty file has no first byte.
    if (answer.response.status != 200 && answer.response.status != 206 && answer.response.status != 416)
        refuse(answer, repo);
    co_return source;
}

Task<HubClient::Answer> ModelScopeHub::ask(Url url, std::string about) {
    HubClient::Answer answer = co_await client_.ask({.url = url, .bearer = options_.token, .max_body_bytes = 64 << 20});
    if (answer.response.status != 200 || parse_refusal(answer.response.body)) refuse(answer, about);
    co_return answer;
}

void ModelScopeHub::refuse(const HubClient::Answer& answer, const std::string& about) const {
    const auto refusal = parse_refusal(answer.response.body);
    const std::string said = refusal ? one_line(refusal->message) : std::string();
    const Text tail = said.empty() ? Text{} : Text::format("; ModelScope says: {}", "；ModelScope 的说明：{}", said);
    const auto make = [&](ErrorCode code, const Text& text) {
        return Error(code, Text{text.en + tail.en, text.zh + tail.zh})
            .with_log_note(fmt::format("{} answered {}", answer.url.for_log(), answer.response.status));
    };
    const int status = answer.response.status;
    const bool names_a_repo = !about.empty();
    if (names_a_repo && (status == 404 || (status == 200 && refusal))) {
        throw make(ErrorCode::hub_repo_not_found,
                   Text::format("{} does not exist on ModelScope, or it is private, or it has no such revision",
                                "ModelScope 上没有 {}，或者它是私有仓库，或者没有此版本", about));
    }
    if (names_a_repo && (status == 401 || status == 403)) {
        throw make(
            ErrorCode::hub_gated,
            Text::format("ModelScope gives {} only to those who may: set MODELSCOPE_API_TOKEN to a token of an "
                         "account that has access",
                         "ModelScope 仅向有权限者提供 {}：请把 MODELSCOPE_API_TOKEN 设为有权限账号的令牌", about));
    }
    if (status == 401 || status == 403) {
        throw make(ErrorCode::hub_token_rejected,
                   Text{"ModelScope does not accept MODELSCOPE_API_TOKEN", "ModelScope 不接受 MODELSCOPE_API_TOKEN"});
    }
    throw make(ErrorCode::hub_bad_response, Text::format("{} answered with the unexpected status {}",
                                                         "{} 返回了意外的状态码 {}", answer.url.host(), status));
}

Url ModelScopeHub::url_of(const std::string& path) const {
    std::string text = options_.endpoint.origin() + options_.endpoint.path();
    if (!text.ends_with('/')) text += '/';
    auto url = Url::parse(text + path);
    if (!url) fail(ErrorCode::validation_failed, "this name is too long for the hub", "名称过长，hub 无法接受");
    return *std::move(url);
}

Url ModelScopeHub::file_url(const std::string& repo, const std::string& revision, const std::string& path) const {
    return url_of(fmt::format("api/v1/models/{}/repo", repo))
        .with_query("Revision", revision)
        .with_query("FilePath", path);
}

}  // namespace llmm::hubs
