#include "integrations/huggingface/huggingface_errors.hpp"

#include "integrations/hub_client.hpp"
#include "integrations/huggingface/huggingface_json.hpp"
#include "integrations/huggingface/rate_limit.hpp"

#include <algorithm>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::size_t kMaxMessageLength = 300;  // bytes of the hub's own words that are passed on
constexpr std::string_view kDisabled = "Access to this resource is disabled.";
constexpr std::string_view kBadToken = "Invalid credentials in Authorization header";

// The hub's words as one harmless line of ASCII: a header may hold any bytes.
std::string one_line(std::string_view text) {
    std::string line(text.substr(0, kMaxMessageLength));
    std::ranges::replace_if(line, [](char c) { return c < ' ' || c > '~'; }, ' ');
    return line;
}

std::string message_of(const HttpResponse& response) {
    if (const auto header = find_header(response.headers, "X-Error-Message"); header && !header->empty()) {
        return one_line(*header);
    }
    return one_line(parse_error_message(response.body));
}

// ", the hub says: …" or nothing.
Text quoted(const std::string& message) {
    if (message.empty()) return {};
    return Text::format("; the hub says: {}", "；hub 的说明：{}", message);
}

Error make(ErrorCode code, Text text, const std::string& message = {}) {
    const Text tail = quoted(message);
    return Error(code, {text.en + tail.en, text.zh + tail.zh});
}

Error gated(const Asked& asked) {
    const std::string& repo = asked.subject.repo;
    if (!asked.with_token) {
        return make(
            ErrorCode::hub_gated,
            Text::format("{0} is gated: accept its licence at {1}/{0}, then set HF_TOKEN to a token of that account",
                         "{0} 需要授权：请先在 {1}/{0} 接受许可协议，再把 HF_TOKEN 设为该账号的令牌", repo,
                         asked.url.origin()));
    }
    return make(
        ErrorCode::hub_gated,
        Text::format("{0} is gated and the account of HF_TOKEN is not on its list: accept its licence or ask for "
                     "access at {1}/{0}",
                     "{0} 需要授权，HF_TOKEN 的账号不在授权名单中：请在 {1}/{0} 接受许可协议或申请访问", repo,
                     asked.url.origin()));
}

Error repo_not_found(const Asked& asked) {
    const std::string& repo = asked.subject.repo;
    if (asked.with_token) {
        return make(ErrorCode::hub_repo_not_found,
                    Text::format("{} does not exist on the hub, or it is private and HF_TOKEN may not see it",
                                 "hub 上没有 {}，或者它是私有仓库而 HF_TOKEN 无权查看", repo));
    }
    // The hub answers an anonymous client the same in all three cases.
    return make(
        ErrorCode::hub_repo_not_found,
        Text::format("{} does not exist on the hub, or it is private, or it needs a token: check the name, or set "
                     "HF_TOKEN if it is yours",
                     "hub 上没有 {}，或者它是私有仓库，或者需要令牌：请检查名称；如果您有权访问，请设置 HF_TOKEN",
                     repo));
}

Error token_rejected(const Asked& asked, const std::string& message) {
    if (asked.with_token) {
        return make(ErrorCode::hub_token_rejected,
                    {"the hub does not accept HF_TOKEN for this: it is wrong, expired or lacks the permission",
                     "hub 不接受此 HF_TOKEN：令牌错误、已过期或权限不足"},
                    message);
    }
    return make(ErrorCode::hub_token_rejected,
                {"the hub answers only with a token: set HF_TOKEN", "hub 要求令牌：请设置 HF_TOKEN"}, message);
}

Error revision_not_found(const Asked& asked) {
    return make(ErrorCode::hub_revision_not_found,
                Text::format("{} has no revision {}", "{} 没有版本 {}", asked.subject.repo, asked.subject.revision));
}

Error file_not_found(const Asked& asked) {
    return make(ErrorCode::hub_file_not_found,
                Text::format("{} has no file {}", "{} 没有文件 {}", asked.subject.repo, asked.subject.path));
}

Error unknown_404(const Asked& asked, const std::string& message) {
    if (!asked.subject.path.empty()) return file_not_found(asked);
    if (!asked.subject.repo.empty()) return repo_not_found(asked);
    return make(ErrorCode::hub_bad_response,
                Text::format("{} does not know this request: is HF_ENDPOINT the address of a hub?",
                             "{} 不认识此请求：HF_ENDPOINT 是 hub 的地址吗？", asked.url.host()),
                message);
}

// In the order in which the hub's own client looks at them: a code counts more than a status.
Error classify(const Asked& asked, const HttpResponse& response, TimePoint now) {
    const std::string message = message_of(response);
    const std::string_view code = find_header(response.headers, "X-Error-Code").value_or("");
    if (code == "RevisionNotFound") return revision_not_found(asked);
    if (code == "EntryNotFound") return file_not_found(asked);
    if (code == "GatedRepo") return gated(asked);
    if (message == kDisabled) {
        return make(ErrorCode::hub_disabled,
                    Text::format("the hub has disabled {}", "hub 已停用 {}", asked.subject.repo));
    }
    if (code == "RepoNotFound") return repo_not_found(asked);
    switch (response.status) {
        case 400:
            return make(ErrorCode::malformed_request, {"the hub does not accept this request", "hub 不接受此请求"},
                        message);
        case 401:
            if (message == kBadToken || asked.subject.repo.empty()) return token_rejected(asked, message);
            return repo_not_found(asked);
        case 403:
            return token_rejected(asked, message);
        case 404:
            return unknown_404(asked, message);
        case 429: {
            const auto header = find_header(response.headers, "Retry-After");
            const auto wait = header ? parse_retry_after(*header, now) : std::nullopt;
            return rate_limited(asked.url, wait.value_or(std::chrono::seconds(0)));
        }
        default:
            break;
    }
    if (is_transient(response.status)) {
        return make(
            ErrorCode::hub_unreachable,
            Text::format("{0} has a problem of its own (status {1}): try again later, or name a mirror in HF_ENDPOINT",
                         "{0} 自身出现故障（状态码 {1}）：请稍后再试，或用 HF_ENDPOINT 指定镜像", asked.url.host(),
                         response.status),
            message);
    }
    return make(ErrorCode::hub_bad_response,
                Text::format("{0} answered with the unexpected status {1}", "{0} 返回了意外的状态码 {1}",
                             asked.url.host(), response.status),
                message);
}

}  // namespace

Error refusal(const Asked& asked, const HttpResponse& response, TimePoint now) {
    return classify(asked, response, now).with_log_note(log_note(asked.url, response));
}

Error network_failure(const Url& url, const HttpError& error) {
    std::string note = fmt::format("{}: {}", url.for_log(), error.what());
    switch (error.failure()) {
        case HttpFailure::blocked_address:
            return make(ErrorCode::url_forbidden,
                        Text::format("{} leads to an address that is not allowed: add the host to "
                                     "network.allowed_hosts if "
                                     "it is yours",
                                     "{} 指向不被允许的地址：如果是您自己的主机，请加入 network.allowed_hosts",
                                     url.host()))
                .with_log_note(std::move(note));
        case HttpFailure::too_large:
            return make(ErrorCode::hub_bad_response,
                        Text::format("the answer of {} is too large", "{} 的回答过大", url.host()))
                .with_log_note(std::move(note));
        case HttpFailure::protocol:
            return make(ErrorCode::hub_bad_response,
                        Text::format("{} does not speak HTTP as expected", "{} 的 HTTP 回答不合规", url.host()))
                .with_log_note(std::move(note));
        default:
            break;
    }
    const Text reason = reason_of(error.failure());
    return make(ErrorCode::hub_unreachable,
                Text::format("{0} can't be reached ({1}): check the network, set a proxy (HTTPS_PROXY), or name a "
                             "mirror in "
                             "HF_ENDPOINT",
                             "无法访问 {0}（{2}）：请检查网络，设置代理（HTTPS_PROXY），或用 HF_ENDPOINT 指定镜像",
                             url.host(), reason.en, reason.zh))
        .with_log_note(std::move(note));
}

Error rate_limited(const Url& url, std::chrono::milliseconds wait) {
    const auto seconds = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(wait).count());
    const Text limit = Text::format("{} takes no more requests for now; a token (HF_TOKEN) raises the limit",
                                    "{} 暂时不再接受请求；设置令牌（HF_TOKEN）可提高限额", url.host());
    if (seconds == 0) return Error(ErrorCode::hub_rate_limited, limit);
    return Error(ErrorCode::hub_rate_limited, {fmt::format("{}; try again in {} s", limit.en, seconds),
                                               fmt::format("{}；请在 {} 秒后再试", limit.zh, seconds)})
        .with_retry_after(seconds);
}

bool is_transient(int status) {
    return status == 408 || status >= 500;
}

bool is_transient(HttpFailure failure) {
    // A timeout is not: the user has waited long enough. A failed handshake stays one.
    return failure == HttpFailure::resolve || failure == HttpFailure::connect || failure == HttpFailure::broken;
}

std::string log_note(const Url& url, const HttpResponse& response) {
    const auto id = find_header(response.headers, "X-Request-Id");
    return fmt::format("{} answered {}, request id {}", url.for_log(), response.status, id ? one_line(*id) : "unknown");
}

}  // namespace llmm::hubs::huggingface
