#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace llmm::test {

// One accepted connection of a RawServer; blocking.
class RawConnection {
  public:
    explicit RawConnection(int socket) : socket_(socket) {}

    // The next request, head and body, as it came; empty when the peer has closed.
    std::string read_request();
    // False when the peer is gone.
    bool write(std::string_view bytes);
    // True when the peer closes (or resets) within the time; what it sends is thrown away.
    bool wait_for_close(std::chrono::milliseconds limit);
    // Ends the connection with a reset instead of a clean end.
    void reset_on_close();
    // For scripts that wait for the test: false once the server shuts down.
    bool sleep(std::chrono::milliseconds time);

  private:
    bool read_more(std::chrono::milliseconds limit);

    int socket_;
    std::string received_;
};

// A TCP server on 127.0.0.1 that says exactly the bytes its script says, right or wrong. It shares nothing with the
// code under test. The script runs once for each connection, on a thread of its own; the connection closes when it
// returns.
class RawServer {
  public:
    using Script = std::function<void(RawConnection&)>;
    explicit RawServer(Script script);
    // Reads one request, says the bytes and closes.
    static Script answer(std::string bytes);
    // Shuts every connection down and waits for the scripts.
    ~RawServer();
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(std::string_view path = "/") const;
    int connections() const { return accepted_; }

  private:
    struct Peer {
        int socket;  // -1 when closed
        std::thread thread;
    };
    void accept_all();
    void serve(Peer& peer);

    Script script_;
    int listener_;
    std::uint16_t port_ = 0;
    std::atomic<int> accepted_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::list<Peer> peers_;
    std::thread acceptor_;
};

}  // namespace llmm::test
