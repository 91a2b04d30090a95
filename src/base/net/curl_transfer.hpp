#pragma once
#include "base/net/http_client.hpp"
#include "base/net/http_header.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

namespace llmm {

// One request on its way through libcurl: the handle with all its settings, and what has arrived so far. Made on the
// caller's thread, used on the network thread from CurlLoop::start until `done` was called.
class CurlTransfer : public std::enable_shared_from_this<CurlTransfer> {
  public:
    using Done = std::move_only_function<void(std::exception_ptr, HttpResponse)>;

    // Throws HttpError when the request may not be sent. `guard` and `sink` (null: the body is collected) are kept by
    // reference.
    CurlTransfer(HttpRequest request, const HttpClient::Options& options, const UrlGuard& guard, BodySink* sink,
                 asio::any_io_executor network);
    ~CurlTransfer();
    CurlTransfer(const CurlTransfer&) = delete;
    CurlTransfer& operator=(const CurlTransfer&) = delete;

    CURL* handle() const { return easy_.get(); }
    static CurlTransfer& of(CURL* handle);
    void set_done(Done done) { done_ = std::move(done); }

    // Tells the caller, once. `result` is libcurl's word on a transfer that it ended.
    void finish(CURLcode result);
    void finish_with(std::exception_ptr error);
    std::exception_ptr stall_error() const;

    std::chrono::milliseconds stall_timeout() const { return request_.stall_timeout; }
    // When the last byte went over the connection, in either direction; now() while there is none.
    std::chrono::steady_clock::time_point last_progress();
    asio::steady_timer& stall_timer() { return stall_timer_; }

  private:
    using Clock = std::chrono::steady_clock;
    struct EasyDeleter {
        void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    };
    struct ListDeleter {
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };

    void set_limits(const HttpClient::Options& options);
    void set_proxy(const HttpClient::Options& options, const std::string& proxy);
    void set_message(const std::string& user_agent);
    void add_header(const std::string& line);

    bool on_header_line(std::string_view line);
    bool on_body(std::span<const std::byte> data);
    bool pause_if_wanted();
    void go_on_or_wait();
    int open_socket(const curl_sockaddr& address);
    bool give_up(HttpFailure failure, std::string what);
    std::exception_ptr error_for(CURLcode result);

    static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t body_callback(char* data, std::size_t size, std::size_t count, void* self);
    static curl_socket_t socket_callback(void* self, curlsocktype purpose, curl_sockaddr* address);

    HttpRequest request_;
    const UrlGuard& guard_;
    BodySink* sink_;
    asio::steady_timer stall_timer_, pause_timer_;
    bool direct_ = true;
    // Before easy_, which refers to it until it is gone.
    std::unique_ptr<curl_slist, ListDeleter> headers_;
    char message_[CURL_ERROR_SIZE] = {};
    std::unique_ptr<CURL, EasyDeleter> easy_;

    Done done_;
    HeadReader head_;
    std::string body_;
    std::size_t body_bytes_ = 0;
    bool stopped_by_sink_ = false;
    bool blocked_ = false;
    bool paused_ = false;
    bool holding_ = false;      // libcurl keeps bytes back until it hears that the pause is over
    std::exception_ptr error_;  // why a callback ended the transfer
    Clock::time_point last_receipt_ = Clock::now();
    curl_off_t uploaded_ = 0;
};

}  // namespace llmm
