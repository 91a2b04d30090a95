#include "base/net/curl_transfer.hpp"

#include "base/error/error.hpp"
#include "base/net/proxy.hpp"

#include <limits>
#include <new>
#include <sys/socket.h>

#include <fmt/format.h>

namespace llmm {
namespace {

constexpr long kFetchBufferBytes = 32 * 1024;

template <class T>
void set(CURL* handle, CURLoption option, T value) {
    const CURLcode result = curl_easy_setopt(handle, option, value);
    if (result == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
    if (result != CURLE_OK) {
        throw std::logic_error(fmt::format("curl option {}: {}", static_cast<int>(option), curl_easy_strerror(result)));
    }
}

long to_curl_ms(std::chrono::milliseconds time) {
    return static_cast<long>(time.count());
}

HttpFailure failure_of(CURLcode result) {
    switch (result) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return HttpFailure::resolve;
        case CURLE_COULDNT_CONNECT:
        case CURLE_PROXY:
            return HttpFailure::connect;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        case CURLE_SSL_INVALIDCERTSTATUS:
        case CURLE_SSL_CRL_BADFILE:
            return HttpFailure::tls;
        case CURLE_OPERATION_TIMEDOUT:
            return HttpFailure::timeout;
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING:
            return HttpFailure::broken;
        case CURLE_OUT_OF_MEMORY:  // also the answer of libcurl before 8.6 to a header line over its own limit
#if LIBCURL_VERSION_NUM >= 0x080600
        case CURLE_TOO_LARGE:
#endif
            return HttpFailure::too_large;
        default:
            return HttpFailure::protocol;
    }
}

}  // namespace

CurlTransfer::CurlTransfer(HttpRequest request, const HttpClient::Options& options, const UrlGuard& guard,
                           BodySink* sink, asio::any_io_executor network)
    : request_(std::move(request)),
      guard_(guard),
      sink_(sink),
      stall_timer_(network),
      pause_timer_(std::move(network)) {
    check_request(request_);
    const std::string proxy = proxy_for(options, request_.url);
    direct_ = proxy.empty();
    if (!direct_) {
        try {
            guard_.check(request_.url);
        } catch (const Error& e) {
            throw HttpError(HttpFailure::blocked_address, request_.url.for_log() + ": " + e.what());
        }
    }
    easy_.reset(curl_easy_init());
    if (!easy_) throw std::bad_alloc();
    set_limits(options);
    set_proxy(options, proxy);
    set_message(options.user_agent);
}

CurlTransfer::~CurlTransfer() = default;

CurlTransfer& CurlTransfer::of(CURL* handle) {
    char* self = nullptr;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &self);
    return *reinterpret_cast<CurlTransfer*>(self);
}

void CurlTransfer::set_limits(const HttpClient::Options& options) {
    CURL* const easy = easy_.get();
    set(easy, CURLOPT_PRIVATE, this);
    set(easy, CURLOPT_ERRORBUFFER, message_);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_QUICK_EXIT, 1L);  // a cancelled request must not wait for the name server
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(easy, CURLOPT_TCP_NODELAY, 1L);
    set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set(easy, CURLOPT_BUFFERSIZE, sink_ != nullptr ? static_cast<long>(request_.buffer_bytes) : kFetchBufferBytes);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, to_curl_ms(request_.connect_timeout));
    set(easy, CURLOPT_TIMEOUT_MS, to_curl_ms(request_.total_timeout));
    set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options.ca_file.empty()) set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    set(easy, CURLOPT_OPENSOCKETFUNCTION, &socket_callback);
    set(easy, CURLOPT_OPENSOCKETDATA, this);
    set(easy, CURLOPT_HEADERFUNCTION, &header_callback);
    set(easy, CURLOPT_HEADERDATA, this);
    set(easy, CURLOPT_WRITEFUNCTION, &body_callback);
    set(easy, CURLOPT_WRITEDATA, this);
}

void CurlTransfer::set_proxy(const HttpClient::Options& options, const std::string& proxy) {
    CURL* const easy = easy_.get();
    // Both set even when empty: unset ones make libcurl read the environment.
    set(easy, CURLOPT_PROXY, proxy.c_str());
    set(easy, CURLOPT_NOPROXY, "");
    if (direct_) return;
    set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(easy, CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!options.ca_file.empty()) set(easy, CURLOPT_PROXY_CAINFO, options.ca_file.c_str());
}

void CurlTransfer::add_header(const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers_.release());  // the list's head is still the same, or new
    headers_.reset(longer);
}

void CurlTransfer::set_message(const std::string& user_agent) {
    CURL* const easy = easy_.get();
    set(easy, CURLOPT_URL, request_.url.str().c_str());
    if (!user_agent.empty()) set(easy, CURLOPT_USERAGENT, user_agent.c_str());
    if (request_.method == "HEAD") {
        set(easy, CURLOPT_NOBODY, 1L);
    } else if (request_.method == "POST" || !request_.body.empty()) {
        set(easy, CURLOPT_POST, 1L);
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
        set(easy, CURLOPT_POSTFIELDS, request_.body.data());
        if (request_.method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
        add_header("Expect:");
        if (!find_header(request_.headers, "Content-Type")) add_header("Content-Type:");
    } else if (request_.method != "GET") {
        set(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    }
    if (request_.accept_gzip) {
        set(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    } else {
        add_header("Accept-Encoding: identity");
    }
    for (const HttpHeader& header : request_.headers) {
        // A colon without a value would tell libcurl to leave the header out.
        add_header(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    }
    if (!request_.bearer.empty()) add_header("Authorization: Bearer " + request_.bearer.reveal());
    set(easy, CURLOPT_HTTPHEADER, headers_.get());
}

std::chrono::steady_clock::time_point CurlTransfer::last_progress() {
    curl_off_t connected_after = 0;
    curl_off_t uploaded = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_after);
    curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &uploaded);
    // The connect timeout rules until there is a connection.
    if (connected_after == 0 || uploaded != uploaded_ || paused_) last_receipt_ = Clock::now();
    uploaded_ = uploaded;
    return last_receipt_;
}

int CurlTransfer::open_socket(const curl_sockaddr& address) {
    // A proxy is the operator's choice; the guard was asked about the URL instead.
    if (direct_ && !guard_.may_connect(request_.url, address.addr)) {
        blocked_ = true;
        return CURL_SOCKET_BAD;
    }
    return ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
}

bool CurlTransfer::give_up(HttpFailure failure, std::string what) {
    error_ = std::make_exception_ptr(HttpError(failure, request_.url.for_log() + ": " + std::move(what)));
    return false;
}

bool CurlTransfer::on_header_line(std::string_view line) {
    last_receipt_ = Clock::now();
    switch (head_.add_line(line)) {
        case HeadReader::Result::more:
            return true;
        case HeadReader::Result::too_large:
            return give_up(HttpFailure::too_large, fmt::format("the head is over {} bytes", HeadReader::kMaxBytes));
        case HeadReader::Result::malformed:
            return give_up(HttpFailure::protocol, "the head is malformed");
        case HeadReader::Result::head_complete:
            break;
    }
    if (sink_ == nullptr || sink_->on_head(head_.status(), head_.headers())) return true;
    stopped_by_sink_ = true;
    return false;
}

bool CurlTransfer::on_body(std::span<const std::byte> data) {
    if (data.size() > request_.max_body_bytes - body_bytes_) {
        return give_up(HttpFailure::too_large, fmt::format("the body is over {} bytes", request_.max_body_bytes));
    }
    body_bytes_ += data.size();
    if (sink_ == nullptr) {
        body_.append(reinterpret_cast<const char*>(data.data()), data.size());
    } else if (!sink_->on_data(data)) {
        stopped_by_sink_ = true;
        return false;
    }
    last_receipt_ = Clock::now();  // after the sink, whose time is not the server's
    if (sink_ != nullptr) pause_if_wanted();
    return true;
}

// libcurl's own limit of the speed is looked at only between rounds of up to a hundred full buffers.
bool CurlTransfer::pause_if_wanted() {
    const auto wait = sink_->pause();
    if (wait <= std::chrono::milliseconds::zero()) return false;
    paused_ = true;  // when more comes: a transfer that has all its bytes must not wait for anything
    pause_timer_.expires_after(wait);
    pause_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        if (const auto self = weak.lock(); self && !error) self->go_on_or_wait();
    });
    return true;
}

void CurlTransfer::go_on_or_wait() {
    if (!done_ || pause_if_wanted()) return;
    paused_ = false;
    last_receipt_ = Clock::now();
    if (std::exchange(holding_, false)) curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
}

// Anything but the size tells libcurl to end the transfer; no exception may cross it.
std::size_t CurlTransfer::header_callback(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<CurlTransfer*>(self);
    try {
        if (transfer.on_header_line({data, size * count})) return size * count;
    } catch (...) {
        transfer.error_ = std::current_exception();
    }
    return size * count == 0 ? 1 : 0;
}

std::size_t CurlTransfer::body_callback(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<CurlTransfer*>(self);
    if (transfer.paused_) {
        transfer.holding_ = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    try {
        if (transfer.on_body(std::as_bytes(std::span(data, size * count)))) return size * count;
    } catch (...) {
        transfer.error_ = std::current_exception();
    }
    return size * count == 0 ? 1 : 0;
}

curl_socket_t CurlTransfer::socket_callback(void* self, curlsocktype purpose, curl_sockaddr* address) {
    if (purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
    return static_cast<CurlTransfer*>(self)->open_socket(*address);
}

std::exception_ptr CurlTransfer::error_for(CURLcode result) {
    if (error_) return std::exchange(error_, nullptr);
    if (stopped_by_sink_) return nullptr;
    if (result == CURLE_OK) {
        if (head_.complete()) return nullptr;
        return std::make_exception_ptr(HttpError(HttpFailure::protocol, request_.url.for_log() + ": no response"));
    }
    HttpFailure failure = failure_of(result);
    long tunnel_status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &tunnel_status);
    if (tunnel_status >= 300) failure = HttpFailure::connect;  // the proxy refused
    if (failure == HttpFailure::connect && blocked_) failure = HttpFailure::blocked_address;
    // Not message_: it may quote what the server sent.
    std::string what = request_.url.for_log() + ": " + curl_easy_strerror(result);
    if (failure == HttpFailure::blocked_address) what += " (address not allowed)";
    if (failure == HttpFailure::tls) what += fmt::format(" ({})", message_);
    return std::make_exception_ptr(HttpError(failure, what));
}

std::exception_ptr CurlTransfer::stall_error() const {
    return std::make_exception_ptr(HttpError(
        HttpFailure::stalled,
        fmt::format("{}: nothing arrived for {} ms", request_.url.for_log(), request_.stall_timeout.count())));
}

void CurlTransfer::finish(CURLcode result) {
    finish_with(error_for(result));
}

void CurlTransfer::finish_with(std::exception_ptr error) {
    if (!done_) return;
    HttpResponse response;
    if (!error) response = {head_.status(), head_.take_headers(), stopped_by_sink_ ? std::string() : std::move(body_)};
    stall_timer_.cancel();
    pause_timer_.cancel();
    std::exchange(done_, nullptr)(std::move(error), std::move(response));
}

}  // namespace llmm
