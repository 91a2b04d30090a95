#include "integrations/huggingface/huggingface_client.hpp"

#include "base/async/signal.hpp"
#include "base/log/log.hpp"
#include "integrations/huggingface/links.hpp"

#include <algorithm>

namespace llmm::hubs::huggingface {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxTries = 5;
constexpr int kMaxThrottles = 5;  // counted apart: a 429 is no fault of the hub
constexpr int kMaxRedirects = 5;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void log_warning(const HttpResponse& response) {
    if (const auto text = find_header(response.headers, "X-HF-Warning")) {
        log::warning("the hub warns", {{"warning", *text}});
    }
}

[[noreturn]] void bad_redirect(const Url& url, const HttpResponse& response, Text text) {
    throw Error(ErrorCode::hub_bad_response, std::move(text)).with_log_note(log_note(url, response));
}

}  // namespace

Client::Client(Options options, HttpClient& http, const UrlGuard& guard)
    : options_(std::move(options)), http_(http), guard_(guard) {}

Task<Client::Answer> Client::ask(Question question, bool signed_urls) {
    milliseconds waited{0};
    for (int redirects = 0;; ++redirects) {
        HttpResponse response = co_await persist(question, waited);
        const int status = response.status;
        if (status == 200 || status == 206) co_return Answer{question.url, std::move(response)};
        if (!is_redirect(status)) throw refusal({question.url, question.subject, !token().empty()}, response, now());

        const auto location = find_header(response.headers, "Location");
        const auto target = location ? question.url.resolve(*location) : std::nullopt;
        if (!target) {
            bad_redirect(question.url, response,
                         {"the hub redirects to something that is not a URL", "hub 重定向到了无效的地址"});
        }
        guard_.check_redirect(question.url, *target);
        if (!target->same_origin(options_.endpoint) || (signed_urls && expiry_of(*target))) {
            co_return Answer{question.url, std::move(response), target};
        }
        if (redirects == kMaxRedirects) {
            bad_redirect(question.url, response, {"the hub redirects in a circle", "hub 陷入循环重定向"});
        }
        question.url = *target;
    }
}

Task<Client::Answer> Client::ask_here(Question question) {
    Answer answer = co_await ask(std::move(question));
    if (answer.elsewhere) {
        bad_redirect(
            answer.url, answer.response,
            Text::format("the hub's answer is a redirect to {}: a network login page, or a wrong HF_ENDPOINT",
                         "hub 的回答重定向到了 {}：可能是网络登录页，或 HF_ENDPOINT 有误", answer.elsewhere->host()));
    }
    co_return answer;
}

Task<HttpResponse> Client::persist(Question question, milliseconds& waited) {
    const HttpRequest request{.method = question.method,
                              .url = question.url,
                              .bearer = options_.token,
                              .total_timeout = options_.request_timeout,
                              .accept_gzip = question.request_class == RequestClass::api};
    int failures = 0;
    for (int throttles = 0;;) {
        co_await wait_for_quota(question, waited);
        std::optional<Error> failure;
        try {
            HttpResponse response = co_await http_.fetch(request);
            const auto tick = RateLimits::Clock::now();
            log_warning(response);
            if (response.status == 429) {
                const milliseconds wait = limits_.refuse(question.request_class, response.headers, tick, now());
                if (++throttles > kMaxThrottles) throw rate_limited(question.url, wait);
                continue;
            }
            limits_.observe(response.headers, tick);
            if (!is_transient(response.status)) co_return response;
            failure = refusal({question.url, question.subject, !token().empty()}, response, now());
        } catch (const HttpError& error) {
            failure = network_failure(question.url, error);
            if (!is_transient(error.failure())) throw *failure;
        }
        if (++failures == kMaxTries) throw *failure;
        log::debug("asking the hub again", {{"failures", failures}, {"reason", failure->message().en}});
        co_await sleep_for(retry_delay(failures));
    }
}

Task<> Client::wait_for_quota(const Question& question, milliseconds& waited) {
    for (;;) {
        const milliseconds wait = limits_.take(question.request_class, RateLimits::Clock::now());
        if (wait.count() == 0) co_return;
        if (waited + wait > options_.max_throttle_wait) throw rate_limited(question.url, wait);
        waited += wait;
        log::info("waiting for the hub's rate limit", {{"ms", wait.count()}});
        co_await sleep_for(wait);
    }
}

// Doubles from try to try; somewhere between half and all of it, so that many clients don't come back
// together.
milliseconds Client::retry_delay(int failures) {
    const auto full = std::min(options_.max_retry_delay, options_.first_retry_delay * (1 << (failures - 1)));
    return milliseconds(std::uniform_int_distribution<std::int64_t>(full.count() / 2, full.count())(jitter_));
}

}  // namespace llmm::hubs::huggingface
