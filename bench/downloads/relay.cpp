// A TCP relay that makes loopback behave like a long path: every byte arrives some time later, in both directions; the
// first one a round trip later still, as after a handshake. What is under way is bounded like a TCP window. It can also
// play a source that breaks down when it has too many connections at once.
//
//   relay LISTEN_PORT TARGET_PORT DELAY_MS [MOST_CONNECTIONS COLLAPSED_BYTES_PER_SECOND]
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kBlock = 64 << 10;
// Half of what a receiver's window is at most by default (net.ipv4.tcp_rmem): the other half is acknowledgements' way.
constexpr std::size_t kUnderWay = 3 << 20;
constexpr auto kBusyFor = 500ms;  // a connection counts as busy for so long after a byte

struct Options {
    std::uint16_t listen = 0, target = 0;
    std::chrono::milliseconds delay{0};
    std::optional<int> most_connections;
    double collapsed_rate = 0;  // bytes/s of each connection
};

class Socket {
  public:
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&&) = delete;
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

struct Block {
    std::unique_ptr<char[]> bytes = std::make_unique<char[]>(kBlock);
    std::size_t size = 0, sent = 0;
    Clock::time_point due;
};

// One direction of a connection.
struct Way {
    int from, to;
    std::deque<Block> blocks;
    std::size_t queued = 0;
    bool ended = false, closed = false;  // nothing more comes; and all of it has been passed on
    Clock::time_point may_send_at{};

    bool wants_to_read() const { return !ended && queued < kUnderWay; }
    bool wants_to_write(Clock::time_point now) const {
        return !blocks.empty() && blocks.front().due <= now && may_send_at <= now;
    }

    // False: the connection is broken.
    bool read(Clock::time_point due) {
        Block block;
        const ssize_t n = ::recv(from, block.bytes.get(), kBlock, 0);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        if (n == 0) {
            ended = true;
            return true;
        }
        block.size = static_cast<std::size_t>(n);
        block.due = due;
        queued += block.size;
        blocks.push_back(std::move(block));
        return true;
    }
    bool write(Clock::time_point now, double rate) {
        while (wants_to_write(now)) {
            Block& block = blocks.front();
            const ssize_t n = ::send(to, block.bytes.get() + block.sent, block.size - block.sent, MSG_NOSIGNAL);
            if (n < 0) return errno == EAGAIN || errno == EINTR;
            block.sent += static_cast<std::size_t>(n);
            queued -= static_cast<std::size_t>(n);
            if (rate > 0) may_send_at = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(static_cast<double>(n) / rate));
            if (block.sent == block.size) blocks.pop_front();
        }
        return true;
    }
    void pass_on_end() {
        if (!ended || closed || !blocks.empty()) return;
        ::shutdown(to, SHUT_WR);
        closed = true;
    }
    std::optional<Clock::time_point> next_event(Clock::time_point now) const {
        if (blocks.empty()) return std::nullopt;
        const auto at = std::max(blocks.front().due, may_send_at);
        return at > now ? std::optional(at) : std::nullopt;
    }
};

struct Connection {
    Connection(Socket a, Socket b, Clock::time_point opens)
        : client(std::move(a)), server(std::move(b)), opens_at(opens), up{client.get(), server.get(), {}}, down{server.get(), client.get(), {}} {}
    Socket client, server;
    Clock::time_point opens_at, busy_until{};
    Way up, down;
    std::size_t at = 0;  // of the client among those that are polled; the server follows
    bool is_over() const { return up.closed && down.closed; }
};

sockaddr_in address_of(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void prepare(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

class Relay {
  public:
    explicit Relay(Options options) : options_(options), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const int on = 1;
        ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const sockaddr_in address = address_of(options_.listen);
        if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_.get(), 512) != 0) {
            std::perror("relay: listen");
            std::exit(1);
        }
        prepare(listener_.get());
    }

    void run() {
        for (;;) {
            wait();
            const auto now = Clock::now();
            const bool collapsed = is_collapsed(now);
            for (auto it = connections_.begin(); it != connections_.end();) {
                it = serve(*it, now, collapsed) && !it->is_over() ? std::next(it) : connections_.erase(it);
            }
            accept(now);
        }
    }

  private:
    // Until something can be read, written, or is due.
    void wait() {
        const auto now = Clock::now();
        auto next = now + 1s;
        polled_ = {{listener_.get(), POLLIN, 0}};
        for (Connection& connection : connections_) {
            connection.at = polled_.size();
            pollfd client{connection.client.get(), 0, 0}, server{connection.server.get(), 0, 0};
            if (connection.opens_at > now) {
                next = std::min(next, connection.opens_at);
            } else if (connection.up.wants_to_read()) {
                client.events |= POLLIN;
            }
            if (connection.down.wants_to_read()) server.events |= POLLIN;
            if (connection.up.wants_to_write(now)) server.events |= POLLOUT;
            if (connection.down.wants_to_write(now)) client.events |= POLLOUT;
            for (const Way* way : {&connection.up, &connection.down})
                next = std::min(next, way->next_event(now).value_or(next));
            // Who is asked for nothing would still report that the other end is gone, again and again.
            if (client.events == 0) client.fd = -1;
            if (server.events == 0) server.fd = -1;
            polled_.push_back(client);
            polled_.push_back(server);
        }
        const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next - now);
        const timespec limit{left / 1s, (left % 1s).count()};
        ::ppoll(polled_.data(), polled_.size(), &limit, nullptr);
    }

    bool is_collapsed(Clock::time_point now) const {
        if (!options_.most_connections) return false;
        return std::ranges::count_if(connections_, [now](const Connection& c) { return c.busy_until > now; }) >
               *options_.most_connections;
    }

    bool serve(Connection& connection, Clock::time_point now, bool collapsed) {
        const short client = polled_[connection.at].revents, server = polled_[connection.at + 1].revents;
        if ((client | server) & (POLLERR | POLLNVAL)) return false;
        const auto due = now + options_.delay;
        if (client & (POLLIN | POLLHUP) && connection.up.wants_to_read() && connection.opens_at <= now) {
            if (!connection.up.read(due)) return false;
        }
        if (server & (POLLIN | POLLHUP) && connection.down.wants_to_read()) {
            if (!connection.down.read(due)) return false;
            connection.busy_until = now + kBusyFor;
        }
        if (!connection.up.write(now, 0) || !connection.down.write(now, collapsed ? options_.collapsed_rate : 0)) return false;
        connection.up.pass_on_end();
        connection.down.pass_on_end();
        return true;
    }

    void accept(Clock::time_point now) {
        while (polled_[0].revents & POLLIN) {
            Socket client(::accept(listener_.get(), nullptr, nullptr));
            if (client.get() < 0) return;
            Socket server(::socket(AF_INET, SOCK_STREAM, 0));
            const sockaddr_in target = address_of(options_.target);
            if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) continue;
            prepare(client.get());
            prepare(server.get());
            connections_.emplace_back(std::move(client), std::move(server), now + 2 * options_.delay);
        }
    }

    const Options options_;
    Socket listener_;
    std::list<Connection> connections_;
    std::vector<pollfd> polled_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 6) {
        std::fputs("usage: relay LISTEN_PORT TARGET_PORT DELAY_MS [MOST_CONNECTIONS COLLAPSED_BYTES_PER_SECOND]\n", stderr);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    Options options{.listen = static_cast<std::uint16_t>(std::atoi(argv[1])),
                    .target = static_cast<std::uint16_t>(std::atoi(argv[2])),
                    .delay = std::chrono::milliseconds(std::atoi(argv[3])),
                    .most_connections = {}};
    if (argc == 6) {
        options.most_connections = std::atoi(argv[4]);
        options.collapsed_rate = std::atof(argv[5]);
    }
    Relay(options).run();
}
