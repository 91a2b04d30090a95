#include "integrations/hub_client.hpp"

#include "base/async/signal.hpp"
#include "integrations/huggingface/rate_limit.hpp"

#include <algorithm>
#include <charconv>

namespace llmm::hubs {
namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxMessageLength = 300;
constexpr std::chrono::seconds kUnknownWait{60};  // after a 429 that doesn't say how long

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Takes the head and no body: an endless one must not keep us.
class HeadSink final : public BodySink {
  public:
    bool on_head(int status, const HttpHeaders& headers) override {
        response_.status = status;
        response_.headers = headers;
        return false;
    }
    bool on_data(std::span<const std::byte>) override { return false; }
    HttpResponse take() { return std::move(response_); }

  private:
    HttpResponse response_;
};

[[noreturn]] void bad_redirect(const Url& url, Text text) {
    throw Error(ErrorCode::hub_bad_response, std::move(text)).with_log_note(url.for_log());
}

bool passes(HttpFailure failure) {
    return failure == HttpFailure::resolve || failure == HttpFailure::connect || failure == HttpFailure::broken;
}

}  // namespace

Text reason_of(HttpFailure failure) {
    switch (failure) {
        case HttpFailure::resolve:
            return {"its name can't be resolved", "无法解析其域名"};
        case HttpFailure::connect:
            return {"it can't be connected", "无法建立连接"};
        case HttpFailure::tls:
            return {"no secure connection comes about", "无法建立安全连接"};
        case HttpFailure::timeout:
            return {"it does not answer in time", "未在规定时间内回答"};
        case HttpFailure::stalled:
            return {"it stopped sending", "中途停止发送数据"};
        case HttpFailure::broken:
        case HttpFailure::too_large:
        case HttpFailure::blocked_address:
        case HttpFailure::protocol:
            break;
    }
    return {"the connection broke", "连接中断"};
}

HubClient::HubClient(Options options, HttpClient& http, const UrlGuard& guard)
    : options_(std::move(options)), http_(http), guard_(guard) {}

Task<HubClient::Answer> HubClient::ask(Question question, bool head_only) {
    guard_.check(question.url);
    const Url asked = question.url;
    const SecretString bearer = question.bearer;
    for (int redirects = 0;; ++redirects) {
        question.bearer = question.url.same_origin(asked) ? bearer : SecretString();
        HttpResponse response = co_await persist(question, head_only);
        if (!is_redirect(response.status)) co_return Answer{question.url, std::move(response)};
        const auto location = find_header(response.headers, "Location");
        const auto target = location ? question.url.resolve(*location) : std::nullopt;
        if (!target) {
            bad_redirect(question.url, Text::format("{} redirects to something that is not a URL",
                                                    "{} 重定向到了无效的地址", question.url.host()));
        }
        guard_.check_redirect(question.url, *target);
        if (head_only && !target->same_origin(question.url)) {
            co_return Answer{question.url, std::move(response), target};
        }
        if (redirects == kMaxRedirects) {
            bad_redirect(question.url,
                         Text::format("{} redirects in a circle", "{} 陷入循环重定向", question.url.host()));
        }
        question.url = *target;
    }
}

Task<HttpResponse> HubClient::persist(Question question, bool head_only) {
    const HttpRequest request{.method = question.method,
                              .url = question.url,
                              .headers = question.headers,
                              .bearer = question.bearer,
                              .total_timeout = options_.request_timeout,
                              .max_body_bytes = question.max_body_bytes};
    auto delay = options_.first_retry_delay;
    for (int tried = 1;; ++tried) {
        std::optional<Error> failure;
        try {
            HttpResponse response;
            if (head_only) {
                HeadSink sink;
                co_await http_.stream(request, sink);
                response = sink.take();
            } else {
                response = co_await http_.fetch(request);
            }
            if (response.status == 429) {
                const auto header = find_header(response.headers, "Retry-After");
                const auto wait =
                    header ? huggingface::parse_retry_after(*header, now()).value_or(kUnknownWait) : kUnknownWait;
                throw Error(ErrorCode::hub_rate_limited,
                            Text::format("{} takes no more requests for now; try again in {} s",
                                         "{} 暂时不再接受请求；请在 {} 秒后再试", question.url.host(), wait.count()))
                    .with_retry_after(static_cast<int>(wait.count()));
            }
            if (response.status != 408 && response.status < 500) co_return response;
            failure =
                Error(ErrorCode::hub_unreachable,
                      Text::format("{} has a problem of its own (status {}): try again later",
                                   "{} 自身出现故障（状态码 {}）：请稍后再试", question.url.host(), response.status))
                    .with_log_note(question.url.for_log());
        } catch (const HttpError& error) {
            failure = failure_of(question.url, error);
            if (!passes(error.failure())) throw Error(*std::move(failure));
        }
        if (tried >= options_.tries) throw Error(*std::move(failure));
        co_await sleep_for(delay);
        delay *= 2;
    }
}

Error HubClient::failure_of(const Url& url, const HttpError& error) const {
    std::string note = fmt::format("{}: {}", url.for_log(), error.what());
    switch (error.failure()) {
        case HttpFailure::blocked_address:
            return Error(ErrorCode::url_forbidden,
                         Text::format("{} leads to an address that is not allowed: add the host to "
                                      "network.allowed_hosts if it is yours",
                                      "{} 指向不被允许的地址：如果是您自己的主机，请加入 network.allowed_hosts",
                                      url.host()))
                .with_log_note(std::move(note));
        case HttpFailure::too_large:
            return Error(ErrorCode::hub_bad_response,
                         Text::format("the answer of {} is too large", "{} 的回答过大", url.host()))
                .with_log_note(std::move(note));
        case HttpFailure::protocol:
            return Error(ErrorCode::hub_bad_response,
                         Text::format("{} does not speak HTTP as expected", "{} 的 HTTP 回答不合规", url.host()))
                .with_log_note(std::move(note));
        default:
            break;
    }
    const Text reason = reason_of(error.failure());
    return Error(
               ErrorCode::hub_unreachable,
               Text{fmt::format("{} can't be reached ({}): check the network, set a proxy (HTTPS_PROXY){}{}",
                                url.host(), reason.en, options_.setting.en.empty() ? "" : ", or ", options_.setting.en),
                    fmt::format("无法访问 {}（{}）：请检查网络，设置代理（HTTPS_PROXY）{}{}", url.host(), reason.zh,
                                options_.setting.zh.empty() ? "" : "，或", options_.setting.zh)})
        .with_log_note(std::move(note));
}

std::optional<std::uint64_t> size_of(const HttpResponse& response) {
    std::string_view digits;
    if (response.status == 206) {
        const std::string_view range = find_header(response.headers, "Content-Range").value_or("");
        const auto slash = range.find('/');
        if (!range.starts_with("bytes ") || slash == std::string_view::npos) return std::nullopt;
        digits = range.substr(slash + 1);
    } else {
        digits = find_header(response.headers, "Content-Length").value_or("");
    }
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return size;
}

std::string one_line(std::string_view text) {
    std::string line(text.substr(0, kMaxMessageLength));
    std::ranges::replace_if(line, [](char c) { return c < ' ' || c > '~'; }, ' ');
    return line;
}

}  // namespace llmm::hubs
