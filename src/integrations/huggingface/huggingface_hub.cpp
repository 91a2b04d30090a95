#include "integrations/huggingface/huggingface_hub.hpp"

#include "base/log/log.hpp"
#include "integrations/card.hpp"
#include "integrations/huggingface/huggingface_json.hpp"
#include "integrations/huggingface/links.hpp"

#include <algorithm>
#include <set>

namespace llmm::hubs {

using namespace huggingface;

namespace {

constexpr std::size_t kMaxSearchPages = 256;
constexpr std::size_t kMaxRepositories = 64;
constexpr int kMaxSearchRows = 500;  // the most that clients of the hub ask for
constexpr std::size_t kMaxSearchWords = 10;
constexpr std::size_t kMaxSiblings = 1000;  // more may not all be listed: the tree has pages, siblings don't
constexpr std::size_t kMaxFiles = 200'000;
constexpr std::string_view kCardPath = "README.md";

std::string_view sort_name(SortOrder order) {
    switch (order) {
        case SortOrder::downloads:
            return "downloads";
        case SortOrder::likes:
            return "likes";
        case SortOrder::updated:
            return "lastModified";
        case SortOrder::trending:
            return "trendingScore";
    }
    return "downloads";
}

// Each word must be in the name; the hub takes a parameter for each.
std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::vector<std::string_view> words;
    for (auto at = text.find_first_not_of(kSpace); at != std::string_view::npos && words.size() < kMaxSearchWords;) {
        const auto end = std::min(text.find_first_of(kSpace, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = text.find_first_not_of(kSpace, end);
    }
    return words;
}

Subject checked(std::string repo, std::string revision, std::string path = {}) {
    if (!RepoId::parse(repo)) {
        fail(ErrorCode::validation_failed, "not a HuggingFace repository name: expected owner/name",
             "不是 HuggingFace 仓库名，应为 owner/name");
    }
    if (!revision.empty() && !Revision::parse(revision)) {
        fail(ErrorCode::validation_failed, "not a revision: expected a branch, tag or commit",
             "不是有效的版本，应为分支、标签或提交号");
    }
    return {std::move(repo), std::move(revision), std::move(path)};
}

}  // namespace

HuggingFaceHub::HuggingFaceHub(Options options, HttpClient& http, const UrlGuard& guard)
    : endpoint_(options.endpoint),
      http_(http),
      client_({.endpoint = options.endpoint,
               .token = std::move(options.token),
               .request_timeout = options.request_timeout,
               .first_retry_delay = options.first_retry_delay,
               .max_retry_delay = options.max_retry_delay,
               .max_throttle_wait = options.max_throttle_wait},
              http, guard),
      pages_(kMaxSearchPages, options.cache_lifetime),
      categories_(1, options.cache_lifetime),
      repositories_(kMaxRepositories, options.cache_lifetime) {}

Task<SearchPage> HuggingFaceHub::search(SearchQuery query) {
    Url url = url_of("api/models");
    for (const std::string_view word : words_of(query.text))
        url = url.with_query("search", word);
    if (!query.format.empty()) url = url.with_query("filter", query.format);
    if (!query.category.empty()) url = url.with_query("pipeline_tag", query.category);
    url = url.with_query("sort", sort_name(query.sort));
    url = url.with_query("limit", std::to_string(std::clamp(query.limit, 1, kMaxSearchRows)));
    for (const std::string_view field : kSearchFields)
        url = url.with_query("expand", field);
    if (!query.cursor.empty()) url = url.with_query("cursor", query.cursor);
    co_return co_await pages_.get(url.str(), [this, url] { return fetch_search(url); });
}

Task<SearchPage> HuggingFaceHub::fetch_search(Url url) {
    const Client::Answer answer = co_await client_.ask_here({.url = url});
    co_return SearchPage{.models = parse_search(answer.response.body),
                         .next_cursor = next_cursor(answer.url, answer.response.headers),
                         .fetched_at = now()};
}

Task<std::vector<Category>> HuggingFaceHub::categories() {
    const Url url = url_of("api/models-tags-by-type");
    co_return co_await categories_.get(url.str(), [this, url] { return fetch_categories(url); });
}

Task<std::vector<Category>> HuggingFaceHub::fetch_categories(Url url) {
    const Client::Answer answer = co_await client_.ask_here({.url = url});
    co_return parse_categories(answer.response.body);
}

Task<Repository> HuggingFaceHub::repository(std::string repo, std::string revision) {
    Subject subject = checked(std::move(repo), std::move(revision));
    std::string path = "api/models/" + subject.repo;
    if (!subject.revision.empty()) path += "/revision/" + percent_encode(subject.revision);
    const Url url = url_of(path).with_query("blobs", "true");
    co_return co_await repositories_.get(url.str(), [this, url, subject] { return fetch_repository(url, subject); });
}

Task<Repository> HuggingFaceHub::fetch_repository(Url url, Subject subject) {
    const Client::Answer answer = co_await client_.ask_here({.url = url, .subject = subject});
    ModelInfo info = parse_model_info(answer.response.body);
    if (info.disabled) {
        fail(ErrorCode::hub_disabled, "the hub has disabled {}", "hub 已停用 {}", info.summary.repo);
    }
    if (is_git_sha1(subject.revision) && info.commit != subject.revision) {
        fail(ErrorCode::hub_bad_response, "asked for commit {}, the hub told of {}", "请求的是提交 {}，hub 返回的是 {}",
             subject.revision, info.commit);
    }
    // From here on everything is of one commit, and of the name that a renamed repository has now.
    subject.repo = info.summary.repo;
    subject.revision = info.commit;
    if (!info.has_sizes || info.files.size() >= kMaxSiblings) info.files = co_await fetch_tree(subject);
    Repository repository{.summary = std::move(info.summary),
                          .revision = std::move(info.commit),
                          .files = std::move(info.files),
                          .card = std::nullopt};
    const auto is_card = [](const RemoteFile& file) { return file.path == kCardPath; };
    if (std::ranges::any_of(repository.files, is_card)) {
        subject.path = kCardPath;
        repository.card = co_await fetch_card(subject);
    }
    co_return repository;
}

Task<std::vector<RemoteFile>> HuggingFaceHub::fetch_tree(Subject subject) {
    const Url first = url_of(fmt::format("api/models/{}/tree/{}", subject.repo, percent_encode(subject.revision)))
                          .with_query("recursive", "true");
    std::vector<RemoteFile> files;
    std::set<std::string> cursors;  // a hub that repeats one would keep us for ever
    for (Url page = first;;) {
        const Client::Answer answer = co_await client_.ask_here({.url = page, .subject = subject});
        std::ranges::move(parse_tree(answer.response.body), std::back_inserter(files));
        if (files.size() > kMaxFiles) {
            fail(ErrorCode::hub_bad_response, "{} has more than {} files", "{} 的文件超过 {} 个", subject.repo,
                 kMaxFiles);
        }
        const std::string cursor = next_cursor(answer.url, answer.response.headers);
        if (cursor.empty()) co_return files;
        if (!cursors.insert(cursor).second) {
            fail(ErrorCode::hub_bad_response, "the hub's list of the files of {} never ends",
                 "hub 返回的 {} 文件列表没有尽头", subject.repo);
        }
        page = first.with_query("cursor", cursor);
    }
}

// A model is worth showing without its card: failures only cost the card.
Task<std::optional<std::string>> HuggingFaceHub::fetch_card(Subject subject) {
    try {
        const Client::Answer answer = co_await client_.ask(
            {.url = resolve_url(subject), .request_class = RequestClass::resolvers, .subject = subject}, true);
        if (!answer.elsewhere) co_return card_of(answer.response.body);
        const HttpResponse response = co_await http_.fetch({.url = *answer.elsewhere});
        if (response.status == 200) co_return card_of(response.body);
    } catch (const Error& error) {
        log::debug("a model has no card", {{"repo", subject.repo}, {"reason", error.message().en}});
    } catch (const HttpError& error) {
        log::debug("a model has no card", {{"repo", subject.repo}, {"reason", error.what()}});
    }
    co_return std::nullopt;
}

Task<FileSource> HuggingFaceHub::locate(std::string repo, std::string revision, std::string path) {
    const Subject subject = checked(std::move(repo), std::move(revision), std::move(path));
    // HEAD, as the hub's own client does: only the redirect matters, and a GET would carry a whole regular
    // file. That signed URLs refuse HEAD does no harm: such a URL is returned, not asked.
    const Client::Answer answer = co_await client_.ask(
        {.method = "HEAD", .url = resolve_url(subject), .request_class = RequestClass::resolvers, .subject = subject},
        true);
    // The hub says on every answer about a file which commit it is of. A login page in between doesn't know,
    // and a branch may have moved since it was looked up.
    const auto commit = find_header(answer.response.headers, "X-Repo-Commit");
    if (!commit || (is_git_sha1(subject.revision) && *commit != subject.revision)) {
        throw Error(ErrorCode::hub_bad_response,
                    Text::format("{} did not answer as a hub does: a network login page, or a wrong HF_ENDPOINT",
                                 "{} 的回答不像 hub：可能是网络登录页，或 HF_ENDPOINT 有误", answer.url.host()))
            .with_log_note(log_note(answer.url, answer.response));
    }
    if (answer.elsewhere) co_return RemoteSource{*answer.elsewhere, {}, expiry_of(*answer.elsewhere)};
    co_return RemoteSource{answer.url, client_.token(), std::nullopt};
}

Url HuggingFaceHub::url_of(const std::string& path) const {
    std::string text = endpoint_.origin() + endpoint_.path();
    if (!text.ends_with('/')) text += '/';
    auto url = Url::parse(text + path);
    if (!url) fail(ErrorCode::validation_failed, "this name is too long for the hub", "名称过长，hub 无法接受");
    return *std::move(url);
}

Url HuggingFaceHub::resolve_url(const Subject& subject) const {
    // A ref holds slashes and stays one segment; a path keeps its own.
    return url_of(fmt::format("{}/resolve/{}", subject.repo,
                              percent_encode(subject.revision.empty() ? "main" : subject.revision)))
        .with_path(subject.path);
}

}  // namespace llmm::hubs
