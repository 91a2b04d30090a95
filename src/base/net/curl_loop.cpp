#include "base/net/curl_loop.hpp"

#include <new>
#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace llmm {
namespace {

void initialize_curl() {
    static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (result != CURLE_OK) throw std::runtime_error(curl_easy_strerror(result));
}

std::exception_ptr aborted() {
    return std::make_exception_ptr(boost::system::system_error(make_error_code(asio::error::operation_aborted)));
}

// Signals are the main thread's, and a broken pipe below TLS is an error code like any other. Threads that libcurl
// starts for name lookups inherit it.
class AllSignalsBlocked {
  public:
    AllSignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

  private:
    sigset_t before_;
};

}  // namespace

CurlLoop::CurlLoop() : work_(context_.get_executor()), timer_(context_) {
    initialize_curl();
    multi_.reset(curl_multi_init());
    if (!multi_) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &socket_callback);
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &timer_callback);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
    const AllSignalsBlocked blocked;
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "net");
        context_.run();
    });
}

CurlLoop::~CurlLoop() {
    stop();
}

void CurlLoop::stop() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
        while (!transfers_.empty()) {
            const auto transfer = transfers_.begin()->second;
            remove(transfer, aborted());
        }
        context_.stop();
    });
    thread_.join();
}

void CurlLoop::start(std::shared_ptr<CurlTransfer> transfer) {
    asio::post(context_, [this, transfer = std::move(transfer)]() mutable { add(std::move(transfer)); });
}

void CurlLoop::cancel(std::shared_ptr<CurlTransfer> transfer) {
    asio::post(context_, [this, transfer = std::move(transfer)] { remove(transfer, aborted()); });
}

void CurlLoop::add(std::shared_ptr<CurlTransfer> transfer) {
    CURL* const easy = transfer->handle();
    const CURLMcode result = curl_multi_add_handle(multi_.get(), easy);
    if (result != CURLM_OK) {
        transfer->finish_with(std::make_exception_ptr(HttpError(HttpFailure::protocol, curl_multi_strerror(result))));
        return;
    }
    transfers_.emplace(easy, transfer);
    watch_for_stall(transfer);
}

void CurlLoop::remove(const std::shared_ptr<CurlTransfer>& transfer, std::exception_ptr error) {
    if (transfers_.erase(transfer->handle()) == 0) return;
    curl_multi_remove_handle(multi_.get(), transfer->handle());
    transfer->finish_with(std::move(error));
}

void CurlLoop::take_finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        CURL* const easy = message->easy_handle;
        const CURLcode result = message->data.result;  // the message is gone with the handle
        const auto found = transfers_.find(easy);
        const auto transfer = std::move(found->second);
        transfers_.erase(found);
        curl_multi_remove_handle(multi_.get(), easy);
        transfer->finish(result);
    }
}

// libcurl's own low speed limit counts whole seconds and averages over five of them.
void CurlLoop::watch_for_stall(const std::shared_ptr<CurlTransfer>& transfer) {
    if (transfer->stall_timeout() <= std::chrono::milliseconds::zero()) return;
    transfer->stall_timer().expires_at(transfer->last_progress() + transfer->stall_timeout());
    transfer->stall_timer().async_wait(
        [this, waiting = std::weak_ptr(transfer)](const boost::system::error_code& error) {
            const auto still_there = waiting.lock();
            if (error || !still_there) return;
            if (still_there->last_progress() + still_there->stall_timeout() <= std::chrono::steady_clock::now()) {
                remove(still_there, still_there->stall_error());
            } else {
                watch_for_stall(still_there);
            }
        });
}

int CurlLoop::timer_callback(CURLM*, long timeout_ms, void* self) {
    static_cast<CurlLoop*>(self)->set_timer(timeout_ms);
    return 0;
}

void CurlLoop::set_timer(long timeout_ms) {
    timer_.cancel();
    if (timeout_ms < 0) return;
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) act(CURL_SOCKET_TIMEOUT, 0);
    });
}

int CurlLoop::socket_callback(CURL*, curl_socket_t socket, int what, void* self, void*) {
    try {
        static_cast<CurlLoop*>(self)->watch(socket, what);
        return 0;
    } catch (...) {
        return -1;  // no memory or no room in epoll: libcurl ends the transfers
    }
}

void CurlLoop::watch(curl_socket_t socket, int what) {
    if (what == CURL_POLL_REMOVE) {
        const auto found = watches_.find(socket);
        if (found == watches_.end()) return;
        // At once: the handler that we are called from still holds it, and the same number may come back before it
        // ends.
        found->second->release();
        watches_.erase(found);
        return;
    }
    auto& entry = watches_[socket];
    if (!entry) entry = std::make_shared<Watch>(context_, socket);
    entry->wanted = what;
    wait(socket, entry);
}

void CurlLoop::wait(curl_socket_t socket, const std::shared_ptr<Watch>& watch) {
    const auto wait_for = [&](asio::posix::descriptor_base::wait_type type, bool Watch::* waiting, int poll,
                              int event) {
        if ((watch->wanted & poll) == 0 || watch.get()->*waiting) return;
        watch.get()->*waiting = true;
        watch->descriptor.async_wait(type, [this, socket, waiting, poll, event,
                                            weak = std::weak_ptr(watch)](const boost::system::error_code& error) {
            // Gone, or gone and the number given to another socket: nobody asks any more.
            const auto same = weak.lock();
            if (!same || error == asio::error::operation_aborted) return;
            same.get()->*waiting = false;
            if ((same->wanted & poll) == 0) return;
            act(socket, error ? CURL_CSELECT_ERR : event);
            const auto now = watches_.find(socket);
            if (now != watches_.end() && now->second == same) wait(socket, same);
        });
    };
    wait_for(asio::posix::descriptor_base::wait_read, &Watch::waiting_to_read, CURL_POLL_IN, CURL_CSELECT_IN);
    wait_for(asio::posix::descriptor_base::wait_write, &Watch::waiting_to_write, CURL_POLL_OUT, CURL_CSELECT_OUT);
}

void CurlLoop::act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi_.get(), socket, events, &running);
    take_finished();
}

}  // namespace llmm
