#pragma once
#include "base/net/curl_transfer.hpp"

#include <memory>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

namespace llmm {

// libcurl's multi interface driven by an event loop in a thread of its own ("net"). start, cancel and stop are for any
// thread; all else happens on that one.
class CurlLoop {
  public:
    CurlLoop();
    ~CurlLoop();
    CurlLoop(const CurlLoop&) = delete;
    CurlLoop& operator=(const CurlLoop&) = delete;

    asio::any_io_executor executor() { return context_.get_executor(); }
    void start(std::shared_ptr<CurlTransfer> transfer);
    // Ends the transfer with operation_aborted and closes its connection; nothing happens when it has ended already.
    void cancel(std::shared_ptr<CurlTransfer> transfer);
    // Ends everything and waits for the thread. Later calls of start and cancel do nothing.
    void stop();

  private:
    // What libcurl wants to know about one of its descriptors. The descriptor stays libcurl's.
    struct Watch {
        explicit Watch(asio::io_context& context, curl_socket_t socket) : descriptor(context, socket) {}
        ~Watch() { release(); }
        void release() {
            if (descriptor.is_open()) descriptor.release();
        }
        asio::posix::stream_descriptor descriptor;
        int wanted = CURL_POLL_NONE;
        bool waiting_to_read = false;
        bool waiting_to_write = false;
    };
    struct MultiDeleter {
        void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
    };

    static int socket_callback(CURL* easy, curl_socket_t socket, int what, void* self, void* watch);
    static int timer_callback(CURLM* multi, long timeout_ms, void* self);

    void watch(curl_socket_t socket, int what);
    void wait(curl_socket_t socket, const std::shared_ptr<Watch>& watch);
    void act(curl_socket_t socket, int events);
    void set_timer(long timeout_ms);
    void take_finished();
    void add(std::shared_ptr<CurlTransfer> transfer);
    void remove(const std::shared_ptr<CurlTransfer>& transfer, std::exception_ptr error);
    void watch_for_stall(const std::shared_ptr<CurlTransfer>& transfer);

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::steady_timer timer_;
    // Before multi_, whose cleanup still reports closed sockets.
    std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
    std::unordered_map<CURL*, std::shared_ptr<CurlTransfer>> transfers_;
    std::unique_ptr<CURLM, MultiDeleter> multi_;
    std::thread thread_;
};

}  // namespace llmm
