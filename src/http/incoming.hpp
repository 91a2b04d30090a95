#pragma once
#include "base/async/task.hpp"
#include "base/async/wakeup.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/error_code.hpp>

namespace llmm::http {

// The receiving side of a connection. A read may be under way while nobody waits for it: that is how the end of a
// connection is noticed while a handler works, and what arrives meanwhile is kept for the next request. Such a read is
// never cancelled; the next request simply goes on waiting for it.
template <class Stream>
class Incoming {
  public:
    explicit Incoming(Stream& stream) : stream_(stream) {}

    // Received and not yet used.
    std::string& buffer() { return buffer_; }

    // Waits for more bytes. False: the connection has ended.
    Task<bool> more(std::size_t size = kSmallRead) {
        if (!reading_ && !ended_) start(size);
        while (reading_)
            co_await wakeup_.wait();
        co_return !ended_;
    }

    // Calls on_end once when the connection ends, until unwatch(). Stops looking when the peer has sent `limit` bytes
    // ahead.
    void watch(std::function<void()> on_end, std::size_t limit) {
        on_end_ = std::move(on_end);
        limit_ = limit;
        if (!reading_ && !ended_ && buffer_.size() < limit_) start(kSmallRead);
    }
    void unwatch() { on_end_ = nullptr; }

    bool is_reading() const { return reading_; }
    // Must be awaited, with the socket closed, before this goes away.
    Task<> settle() {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        while (reading_)
            co_await wakeup_.wait();
    }

  private:
    static constexpr std::size_t kSmallRead = 4 * 1024;  // held by every connection that waits for a request

    void start(std::size_t size) {
        if (area_size_ != size) {
            area_ = std::make_unique_for_overwrite<char[]>(size);
            area_size_ = size;
        }
        reading_ = true;
        wakeup_.reset();
        stream_.async_read_some(asio::buffer(area_.get(), area_size_),
                                [this](boost::system::error_code error, std::size_t count) { ended(error, count); });
    }

    void ended(boost::system::error_code error, std::size_t count) {
        reading_ = false;
        buffer_.append(area_.get(), count);
        ended_ = static_cast<bool>(error);
        if (ended_ && on_end_) std::exchange(on_end_, nullptr)();
        if (!ended_ && on_end_ && buffer_.size() < limit_) start(kSmallRead);
        wakeup_.notify();
    }

    Stream& stream_;
    std::string buffer_;
    std::unique_ptr<char[]> area_;
    std::size_t area_size_ = 0;
    bool reading_ = false, ended_ = false;
    std::function<void()> on_end_;
    std::size_t limit_ = 0;
    Wakeup wakeup_;
};

}  // namespace llmm::http
