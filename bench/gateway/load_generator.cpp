// Loads one HTTP address with one prepared request over kept connections, and writes what it saw as one JSON object.
// One thread, epoll. Closed loop: each connection sends the next request when the answer is whole. Open loop (--rate):
// requests are due at fixed moments and their latency counts from then, also when they could not be sent in time, so
// that a server that stalls can't hide it.
//
//   load-generator --port N [--host A] [--path P] [--header "N: V"]... [--body TEXT] [--connections C] [--seconds S]
//                  [--warmup S] [--rate R] [--requests N] [--ramp S] [--print] [--linger]
//
// --ramp opens the connections one after the other within so many seconds. --print sends one request and writes status,
// headers and body as they came. --linger: the connections stay open and silent after their answers (for measuring
// memory). Streams of the mock with `seed` tell when each piece was sent: the time until it arrived here is reported as
// piece_us.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using Nanoseconds = std::int64_t;

Nanoseconds clock_now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

struct Options {
    std::string host = "127.0.0.1", path = "/", headers, body;
    int port = 80, connections = 1;
    double seconds = 5, warmup = 1, rate = 0, ramp = 0;
    std::int64_t requests = 0;
    bool print = false, linger = false;
};

// Every value is kept: percentiles are exact.
class Samples {
  public:
    void add(double value) { values_.push_back(static_cast<float>(value)); }
    std::string json() {
        if (values_.empty()) return "null";
        std::sort(values_.begin(), values_.end());
        const auto at = [&](double part) {
            return values_[std::min(values_.size() - 1,
                                    static_cast<std::size_t>(part * static_cast<double>(values_.size())))];
        };
        // The band in which Nagle's algorithm and delayed acknowledgements show.
        const auto in_band = std::upper_bound(values_.begin(), values_.end(), 45'000.F) -
                             std::lower_bound(values_.begin(), values_.end(), 38'000.F);
        const auto stalls = values_.end() - std::upper_bound(values_.begin(), values_.end(), 200'000.F);
        char text[256];
        std::snprintf(
            text, sizeof text,
            R"({"count":%zu,"p50":%.1f,"p90":%.1f,"p99":%.1f,"p999":%.1f,"max":%.1f,"in_38_45_ms":%td,"over_200_ms":%td})",
            values_.size(), at(0.5), at(0.9), at(0.99), at(0.999), values_.back(), in_band, stalls);
        return text;
    }

  private:
    std::vector<float> values_;
};

struct Connection {
    int fd = -1;
    bool busy = false, head_done = false, chunked = false, first_seen = false, wants_close = false;
    std::size_t written = 0;
    Nanoseconds due = 0, last_piece = 0;
    std::string in;  // of the answer, from `parsed` on
    std::size_t parsed = 0, body_start = 0, length = 0;
    int status = 0;
    std::int64_t pieces = 0;
    std::uint64_t hash = 0;
};

class Load {
  public:
    explicit Load(Options options) : options_(std::move(options)), epoll_(epoll_create1(0)) {
        request_ = (options_.body.empty() ? "GET " : "POST ") + options_.path + " HTTP/1.1\r\nHost: localhost\r\n" +
                   options_.headers;
        if (!options_.body.empty()) {
            request_ +=
                "Content-Type: application/json\r\nContent-Length: " + std::to_string(options_.body.size()) + "\r\n";
        }
        request_ += "\r\n" + options_.body;
        connections_.resize(static_cast<std::size_t>(options_.connections));
        if (options_.ramp > 0) return;
        for (std::size_t i = 0; i < connections_.size(); ++i)
            open(i);
    }

    int run() {
        begin_ = clock_now();
        measure_from_ = begin_ + static_cast<Nanoseconds>(options_.warmup * 1e9);
        end_ = measure_from_ + static_cast<Nanoseconds>(options_.seconds * 1e9);
        next_due_ = begin_;
        if (options_.rate <= 0 && options_.ramp <= 0) {
            for (std::size_t i = 0; i < connections_.size(); ++i)
                send_next(i, clock_now());
        }
        std::vector<epoll_event> events(512);
        while (!over()) {
            const timespec patience = until_due();
            const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &patience, nullptr);
            if (count < 0 && errno != EINTR) die("epoll_wait");
            for (int i = 0; i < count; ++i)
                serve(static_cast<std::size_t>(events[i].data.u64), events[i].events);
            if (options_.rate > 0) send_due();
            if (options_.ramp > 0) open_due();
        }
        report();
        if (options_.linger) {
            std::fflush(stdout);
            for (;;)
                pause();
        }
        return failed_ > 0 && answered_ == 0 ? 1 : 0;
    }

  private:
    bool over() const {
        if (options_.requests > 0) return answered_ + failed_ >= options_.requests;
        return clock_now() >= end_;
    }

    timespec until_due() const {
        if (opened_ < connections_.size() && options_.ramp > 0) return {0, 1'000'000};
        if (options_.rate <= 0) return {0, 50'000'000};
        const Nanoseconds left = next_due_ - clock_now();
        // Overdue: every connection is busy, and the next answer wakes us.
        return {0, left <= 0 ? 1'000'000 : std::min<Nanoseconds>(left, 50'000'000)};
    }

    void open(std::size_t index) {
        Connection& connection = connections_[index];
        connection = Connection();
        connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        // Many connections need more than one address of their own.
        sockaddr_in own{};
        own.sin_family = AF_INET;
        char address[32];
        std::snprintf(address, sizeof address, "127.0.0.%zu", 2 + index / 20'000);
        inet_pton(AF_INET, address, &own.sin_addr);
        bind(connection.fd, reinterpret_cast<sockaddr*>(&own), sizeof own);
        sockaddr_in peer{};
        peer.sin_family = AF_INET;
        peer.sin_port = htons(static_cast<std::uint16_t>(options_.port));
        inet_pton(AF_INET, options_.host.c_str(), &peer.sin_addr);
        if (connect(connection.fd, reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) die("connect");
        const int on = 1;
        setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
    }

    void send_next(std::size_t index, Nanoseconds due) {
        if (options_.requests > 0 && sent_ >= options_.requests) return;
        ++sent_;
        Connection& connection = connections_[index];
        connection.busy = true;
        connection.head_done = connection.chunked = connection.first_seen = connection.wants_close = false;
        connection.in.clear();
        connection.parsed = connection.length = 0;
        connection.pieces = 0;
        connection.hash = 14695981039346656037ULL;
        connection.due = due;
        std::size_t done = 0;
        while (done < request_.size()) {  // blocking: the request is small, or the body is what is measured
            const ssize_t count = send(connection.fd, request_.data() + done, request_.size() - done, MSG_NOSIGNAL);
            if (count <= 0) return fail(index);
            done += static_cast<std::size_t>(count);
        }
    }

    // All at once would measure the queues of listening sockets.
    void open_due() {
        const double past = static_cast<double>(clock_now() - begin_) / 1e9 / options_.ramp;
        const auto wanted = static_cast<std::size_t>(std::min(1.0, past) * static_cast<double>(connections_.size()));
        for (; opened_ < wanted; ++opened_) {
            open(opened_);
            send_next(opened_, clock_now());
        }
    }

    void send_due() {
        const auto step = static_cast<Nanoseconds>(1e9 / options_.rate);
        const Nanoseconds now = clock_now();
        while (next_due_ <= now) {
            const auto free =
                std::find_if(connections_.begin(), connections_.end(), [](const Connection& c) { return !c.busy; });
            if (free == connections_.end()) return;  // it stays due, and late
            send_next(static_cast<std::size_t>(free - connections_.begin()), next_due_);
            next_due_ += step;
        }
    }

    void fail(std::size_t index) {
        ++failed_;
        close(connections_[index].fd);
        open(index);
        if (options_.rate <= 0 && !over()) send_next(index, clock_now());
    }

    void serve(std::size_t index, std::uint32_t) {
        Connection& connection = connections_[index];
        char buffer[65536];
        const ssize_t count = recv(connection.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count <= 0) {
            if (connection.busy) return fail(index);
            close(connection.fd);
            return open(index);
        }
        const Nanoseconds now = clock_now();
        connection.in.append(buffer, static_cast<std::size_t>(count));
        take(connection, now);
        if (is_whole(connection)) done(index, now);
    }

    void take(Connection& connection, Nanoseconds now) {
        if (!connection.head_done) {
            const std::size_t end = connection.in.find("\r\n\r\n");
            if (end == std::string::npos) return;
            connection.head_done = true;
            connection.body_start = end + 4;
            connection.parsed = end + 4;
            connection.status = std::atoi(connection.in.c_str() + 9);
            std::string head = connection.in.substr(0, end);
            std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
            connection.chunked = head.find("transfer-encoding: chunked") != std::string::npos;
            connection.wants_close = head.find("connection: close") != std::string::npos;
            if (const std::size_t at = head.find("content-length:"); at != std::string::npos) {
                connection.length = static_cast<std::size_t>(std::atoll(head.c_str() + at + 15));
            }
        }
        // Pieces of a stream, each when it arrives.
        std::size_t at = connection.parsed;
        while ((at = connection.in.find("\n\n", at)) != std::string::npos) {
            const std::string_view event =
                std::string_view(connection.in).substr(connection.parsed, at - connection.parsed);
            at += 2;
            connection.parsed = at;
            if (event.find("data: {") == std::string_view::npos) continue;
            if (event.find("\"content\":") == std::string_view::npos) continue;
            ++connection.pieces;
            if (!connection.first_seen && now >= measure_from_)
                first_.add(static_cast<double>(now - connection.due) / 1e3);
            connection.first_seen = true;
            if (const std::size_t mark = event.find(" @"); mark != std::string_view::npos) {
                Nanoseconds then = 0;
                std::from_chars(event.data() + mark + 2, event.data() + event.size(), then);
                if (now >= measure_from_) pieces_.add(static_cast<double>(now - then) / 1e3);
            }
            if (connection.last_piece && connection.pieces > 1 && now >= measure_from_) {
                gaps_.add(static_cast<double>(now - connection.last_piece) / 1e3);
            }
            connection.last_piece = now;
        }
        // Kept, 500 streams would grow (and be copied) at the same moments, and that would be measured as a stall.
        if (connection.chunked && !options_.print) {
            connection.in.erase(0, connection.parsed);
            connection.parsed = 0;
        }
    }

    static bool is_whole(const Connection& connection) {
        if (!connection.head_done) return false;
        if (connection.chunked) return connection.in.ends_with("0\r\n\r\n");
        return connection.in.size() - connection.body_start >= connection.length;
    }

    void done(std::size_t index, Nanoseconds now) {
        Connection& connection = connections_[index];
        connection.busy = false;
        if (options_.print) {
            std::fwrite(connection.in.data(), 1, connection.in.size(), stdout);
        }
        ++answered_;
        if (connection.status != 200) ++refused_;
        total_pieces_ += connection.pieces;
        if (now >= measure_from_) {
            ++measured_;
            latency_.add(static_cast<double>(now - connection.due) / 1e3);
        }
        if (connection.wants_close) {
            close(connection.fd);
            open(index);
        }
        if (options_.rate <= 0 && !over()) send_next(index, now);
    }

    void report() {
        if (options_.print) return;
        const double seconds = static_cast<double>(clock_now() - measure_from_) / 1e9;
        std::printf(
            R"({"requests_per_second":%.1f,"measured":%lld,"answered":%lld,"failed":%lld,"refused":%lld,"pieces":%lld,)"
            R"("latency_us":%s,"first_us":%s,"piece_us":%s,"gap_us":%s})"
            "\n",
            static_cast<double>(measured_) / seconds, static_cast<long long>(measured_),
            static_cast<long long>(answered_), static_cast<long long>(failed_), static_cast<long long>(refused_),
            static_cast<long long>(total_pieces_), latency_.json().c_str(), first_.json().c_str(),
            pieces_.json().c_str(), gaps_.json().c_str());
    }

    Options options_;
    int epoll_;
    std::string request_;
    std::vector<Connection> connections_;
    Nanoseconds begin_ = 0, measure_from_ = 0, end_ = 0, next_due_ = 0;
    std::size_t opened_ = 0;  // with --ramp
    std::int64_t sent_ = 0, answered_ = 0, failed_ = 0, refused_ = 0, measured_ = 0, total_pieces_ = 0;
    Samples latency_, first_, pieces_, gaps_;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--print") {
            options.print = true;
            options.requests = 1;
            options.warmup = 0;
            continue;
        }
        if (flag == "--linger") {
            options.linger = true;
            continue;
        }
        if (i + 1 >= argc) die("a flag without a value");
        const char* value = argv[++i];
        if (flag == "--host") options.host = value;
        if (flag == "--port") options.port = std::atoi(value);
        if (flag == "--path") options.path = value;
        if (flag == "--header") options.headers += std::string(value) + "\r\n";
        if (flag == "--body") options.body = value;
        if (flag == "--connections") options.connections = std::atoi(value);
        if (flag == "--seconds") options.seconds = std::atof(value);
        if (flag == "--warmup") options.warmup = std::atof(value);
        if (flag == "--ramp") options.ramp = std::atof(value);
        if (flag == "--rate") options.rate = std::atof(value);
        if (flag == "--requests") options.requests = std::atoll(value);
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    return Load(parse(argc, argv)).run();
}
