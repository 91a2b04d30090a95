#include "integrations/url/url_hub.hpp"

#include "integrations/huggingface/links.hpp"

namespace llmm::hubs {
namespace {

constexpr std::size_t kDigestRevision = 64;  // hex digits of a promised SHA-256; an observed revision has 40

Url parsed(const std::string& text) {
    auto url = Url::parse(text);
    if (!url) fail(ErrorCode::validation_failed, "this is not an address of a file", "这不是有效的文件地址");
    return *std::move(url);
}

[[noreturn]] void refuse(const Url& url, int status) {
    const std::string& host = url.host();
    if (status == 401 || status == 403) {
        fail(ErrorCode::hub_token_rejected, "{} gives this file only to those who sign in (status {})",
             "{} 要求登录才能获取此文件（状态码 {}）", host, status);
    }
    if (status == 404 || status == 410) {
        fail(ErrorCode::hub_file_not_found, "{} has no such file (status {})", "{} 上没有此文件（状态码 {}）", host,
             status);
    }
    fail(ErrorCode::hub_bad_response, "{} answered with the unexpected status {}", "{} 返回了意外的状态码 {}", host,
         status);
}

// What tells one content from another: a strong ETag, else the date.
std::string validator_of(const HttpHeaders& headers) {
    const std::string_view tag = find_header(headers, "ETag").value_or("");
    if (!tag.empty() && !tag.starts_with("W/")) return std::string(tag);
    return std::string(find_header(headers, "Last-Modified").value_or(""));
}

}  // namespace

std::string file_name_of(const Url& url) {
    return percent_decode(url.path().substr(url.path().rfind('/') + 1)).value_or("");
}

UrlHub::UrlHub(HttpClient& http, const UrlGuard& guard) : client_({.setting = {}}, http, guard) {}

Task<SearchPage> UrlHub::search(SearchQuery) {
    fail(ErrorCode::validation_failed, "plain addresses can't be searched", "普通地址无法搜索");
}

Task<std::vector<Category>> UrlHub::categories() {
    co_return std::vector<Category>{};
}

Task<UrlHub::Probed> UrlHub::probe(Url url) {
    // One byte by GET: signed addresses often refuse HEAD.
    HubClient::Question question{.url = url, .headers = {{"Range", "bytes=0-0"}}};
    auto answer = co_await client_.ask_head(question);
    for (int hosts = 0; answer.elsewhere; ++hosts) {
        if (hosts == 5) fail(ErrorCode::hub_bad_response, "{} redirects in a circle", "{} 陷入循环重定向", url.host());
        question.url = *answer.elsewhere;
        answer = co_await client_.ask_head(question);
    }
    const int status = answer.response.status;
    // 416: an empty file has no first byte.
    if (status != 200 && status != 206 && status != 416) refuse(url, status);
    const auto size = status == 416 ? std::optional<std::uint64_t>(0) : size_of(answer.response);
    const std::string identity =
        fmt::format("{}\n{}\n{}", url.str(), size ? std::to_string(*size) : "", validator_of(answer.response.headers));
    co_return Probed{.url = answer.url,
                     .size = size,
                     .has_ranges = status == 206,
                     .identity = Sha256::of(identity).hex().substr(0, 40)};
}

Task<Repository> UrlHub::repository(std::string repo, std::string revision) {
    const Url url = parsed(repo);
    const Probed probed = co_await probe(url);
    Repository repository;
    RemoteFile file{.path = file_name_of(url), .size = probed.size, .sha256 = std::nullopt, .git_sha1 = std::nullopt};
    if (revision.size() == kDigestRevision) {
        file.sha256 = Sha256::parse(revision);
        repository.revision = revision;
    } else if (revision.empty() || revision == probed.identity) {
        repository.revision = probed.identity;
    } else {
        fail(ErrorCode::hub_revision_not_found, "the file at {} is another one now", "{} 上的文件已更换", url.host());
    }
    repository.summary.repo = url.str();
    repository.summary.name = file.path.substr(0, file.path.rfind('.'));
    repository.files.push_back(std::move(file));
    co_return repository;
}

Task<FileSource> UrlHub::locate(std::string repo, std::string revision, std::string path) {
    const Url url = parsed(repo);
    if (path != file_name_of(url)) {
        fail(ErrorCode::hub_file_not_found, "there is no file {} at {}", "{1} 上没有文件 {0}", path, url.host());
    }
    const Probed probed = co_await probe(url);
    // A promised digest is checked at the end; without one the bytes of two contents could meet in one file.
    if (revision.size() != kDigestRevision && revision != probed.identity) {
        fail(ErrorCode::hub_revision_not_found, "the file at {} is another one now", "{} 上的文件已更换", url.host());
    }
    RemoteSource source{.url = probed.url, .bearer = {}, .expires_at = huggingface::expiry_of(probed.url)};
    source.has_ranges = probed.has_ranges;
    co_return source;
}

}  // namespace llmm::hubs
