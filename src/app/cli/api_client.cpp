#include "app/cli/api_client.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/phrases.hpp"

#include <stdexcept>

#include <curl/curl.h>

namespace llmm::app::cli {
namespace {

constexpr long kConnectTimeoutMs = 5'000;
constexpr long kAnswerTimeoutMs = 60'000;
// Far above any answer of the API; below what would hurt.
constexpr std::size_t kLargestAnswer = 64 << 20;

struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void add_header(HeaderList& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    static_cast<void>(list.release());
    list.reset(longer);
}

int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return interrupt_requested() ? 1 : 0;
}

}  // namespace

// What one transfer leaves behind. A body goes to `events` when the answer is a stream, else it is collected.
struct ApiClient::Transfer {
    CURL* curl = nullptr;
    const std::function<bool(const ServerEvent&)>* on_event = nullptr;
    std::string body = {};
    long status = 0;
    bool stopped = false;  // by on_event
    std::exception_ptr failure = {};
    EventStream events{[this](const ServerEvent& event) {
        if (!stopped && !(*on_event)(event)) stopped = true;
    }};

    bool is_stream() {
        if (!on_event) return false;
        const char* type = nullptr;
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
        return type && std::string_view(type).starts_with("text/event-stream");
    }

    // A CURLOPT_WRITEFUNCTION; anything but `size` ends the transfer.
    static std::size_t write(char* data, std::size_t, std::size_t size, void* user) {
        auto& self = *static_cast<Transfer*>(user);
        try {
            if (self.is_stream()) {
                self.events.feed({data, size});
                return self.stopped ? 0 : size;
            }
            if (self.body.size() + size > kLargestAnswer) return 0;
            self.body.append(data, size);
            return size;
        } catch (...) {
            self.failure = std::current_exception();  // must not pass through C
            return 0;
        }
    }
};

void ApiClient::CurlDeleter::operator()(void* handle) const {
    curl_easy_cleanup(handle);
}

ApiClient::ApiClient(Connection connection, Texts texts)
    : connection_(std::move(connection)), texts_(texts), curl_(curl_easy_init()) {
    if (!curl_) throw std::runtime_error("libcurl can't be started");
}

ApiClient::~ApiClient() = default;

void ApiClient::perform(const ApiRequest& request, Transfer& transfer) {
    CURL* curl = curl_.get();
    curl_easy_reset(curl);
    transfer.curl = curl;

    HeaderList headers;
    add_header(headers, texts_.language() == Language::zh ? "Accept-Language: zh" : "Accept-Language: en");
    add_header(headers, transfer.on_event ? "Accept: text/event-stream, application/json" : "Accept: application/json");
    add_header(headers, "Expect:");
    if (!connection_.key.empty()) add_header(headers, "Authorization: Bearer " + connection_.key.reveal());
    const std::string body = request.body ? json::serialize(*request.body) : std::string();
    if (request.body) add_header(headers, "Content-Type: application/json");

    const std::string url = connection_.url + request.path;
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "llm-manager/" LLMM_VERSION);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.method == "POST") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    if (!request.waits_long && !transfer.on_event) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, kAnswerTimeoutMs);
    if (connection_.is_loopback) curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (!connection_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, connection_.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);

    const CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.status);
    if (transfer.failure) std::rethrow_exception(transfer.failure);
    if (interrupt_requested()) throw Interrupted();
    if (result == CURLE_OK || transfer.stopped) return;
    const std::string reason = curl_easy_strerror(result);
    throw Unreachable(connection_.url, transfer.status == 0 ? reason : texts_(phrases::broken_answer, reason));
}

json::value ApiClient::parse(const std::string& body, long status) const {
    try {
        return parse_json(body);
    } catch (const std::exception&) {
        throw Unreachable(connection_.url, texts_(phrases::foreign_answer, status));
    }
}

void ApiClient::refuse(const std::string& body, long status) const {
    const json::value answer = parse(body, status);
    const json::object* error = answer.if_object();
    if (!error || text_of(*error, "error").empty()) {
        throw Unreachable(connection_.url, texts_(phrases::foreign_answer, status));
    }
    throw ApiError(static_cast<int>(status), text_of(*error, "error"), text_of(*error, "message"),
                   object_of(*error, "details"));
}

json::value ApiClient::send(const ApiRequest& request) {
    Transfer transfer;
    perform(request, transfer);
    if (transfer.status < 200 || transfer.status > 299) refuse(transfer.body, transfer.status);
    json::value answer = parse(transfer.body, transfer.status);
    json::object* envelope = answer.if_object();
    json::value* data = envelope ? envelope->if_contains("data") : nullptr;
    if (!data) throw Unreachable(connection_.url, texts_(phrases::foreign_answer, transfer.status));
    return std::move(*data);
}

json::value ApiClient::read(const std::string& path) {
    Transfer transfer;
    perform({.path = path}, transfer);
    return parse(transfer.body, transfer.status);
}

void ApiClient::stream(const ApiRequest& request, const std::function<bool(const ServerEvent&)>& on_event) {
    Transfer transfer;
    transfer.on_event = &on_event;
    perform(request, transfer);
    if (transfer.status < 200 || transfer.status > 299) refuse(transfer.body, transfer.status);
    if (!transfer.is_stream()) throw Unreachable(connection_.url, texts_(phrases::foreign_answer, transfer.status));
}

}  // namespace llmm::app::cli
