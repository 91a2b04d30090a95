// An inference engine without inference, for the benchmark of the gateway and the tests of what happens when clients
// leave. One thread, epoll, no allocation worth mentioning: far quicker than what stands in front of it.
//
// Takes llama-server's command line as far as needed (--host ADDRESS or PATH.sock, --port, --alias), answers /health,
// /props and /v1/models like it, and POST /v1/chat/completions with words that the request itself asks for:
//   max_tokens  pieces of the answer (4)
//   seed        milliseconds between two pieces of a stream; pieces then carry the moment they were sent
//   top_k       milliseconds before the answer
//   user        a name for the log
// MOCK_LOG names a file that gets "arrived|closed|finished NAME NANOSECONDS" (CLOCK_MONOTONIC); closed: by the client,
// early. MOCK_BACKLOG bounds the connections that wait to be accepted. MOCK_SLOTS is what /props tells (1024).
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <netinet/tcp.h>
#include <queue>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
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

std::int64_t number_in(std::string_view body, std::string_view key, std::int64_t otherwise) {
    std::size_t at = body.find(key);
    if (at == std::string_view::npos) return otherwise;
    at += key.size();
    while (at < body.size() && (body[at] == ' ' || body[at] == ':'))
        ++at;
    std::int64_t value = otherwise;
    std::from_chars(body.data() + at, body.data() + body.size(), value);
    return value;
}

std::string text_in(std::string_view body, std::string_view key) {
    std::size_t at = body.find(key);
    if (at == std::string_view::npos) return {};
    at = body.find('"', at + key.size());
    if (at == std::string_view::npos) return {};
    return std::string(body.substr(at + 1, body.find('"', at + 1) - at - 1));
}

constexpr std::string_view kFrame =
    R"("created":1700000000,"id":"chatcmpl-mock","model":"mock","system_fingerprint":"mock")";
constexpr int kPromptTokens = 12;

std::string chunk(std::string_view data) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return std::string(size) + std::string(data) + "\r\n";
}

std::string event(std::string_view json) {
    return "data: " + std::string(json) + "\n\n";
}

struct Connection {
    int fd = -1;
    std::uint64_t number = 0;
    std::string in, out;
    std::string name;
    bool answering = false, stream = false, wants_usage = false, head_sent = false;
    std::int64_t pieces = 0, sent = 0, pace_ms = 0;
};

class Mock {
  public:
    explicit Mock(int listener) : listener_(listener), epoll_(epoll_create1(0)) {
        watch(listener_, EPOLLIN, 0, EPOLL_CTL_ADD);
        if (const char* path = std::getenv("MOCK_LOG")) log_ = std::fopen(path, "a");
    }

    [[noreturn]] void run() {
        std::vector<epoll_event> events(256);
        for (;;) {
            const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout());
            if (count < 0 && errno != EINTR) die("epoll_wait");
            for (int i = 0; i < count; ++i) {
                if (events[i].data.u64 == 0) {
                    accept_all();
                    continue;
                }
                const auto found = connections_.find(events[i].data.u64);
                if (found != connections_.end()) serve(*found->second, events[i].events);
            }
            fire_timers();
        }
    }

  private:
    void watch(int fd, std::uint32_t what, std::uint64_t number, int how) {
        epoll_event event{};
        event.events = what;
        event.data.u64 = number;
        epoll_ctl(epoll_, how, fd, &event);
    }

    void note(const char* what, const Connection& connection) {
        if (!log_ || connection.name.empty()) return;
        std::fprintf(log_, "%s %s %lld\n", what, connection.name.c_str(), static_cast<long long>(clock_now()));
        std::fflush(log_);
    }

    void accept_all() {
        for (;;) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            auto connection = std::make_unique<Connection>();
            connection->fd = fd;
            connection->number = ++last_;
            watch(fd, EPOLLIN | EPOLLRDHUP, connection->number, EPOLL_CTL_ADD);
            connections_[connection->number] = std::move(connection);
        }
    }

    void close_now(Connection& connection) {
        if (connection.answering) note("closed", connection);
        close(connection.fd);
        connections_.erase(connection.number);
    }

    void serve(Connection& connection, std::uint32_t what) {
        if (what & EPOLLOUT) flush(connection);
        if (!(what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
        char buffer[65536];
        for (;;) {
            const ssize_t count = recv(connection.fd, buffer, sizeof buffer, 0);
            if (count > 0) {
                connection.in.append(buffer, static_cast<std::size_t>(count));
                if (static_cast<std::size_t>(count) == sizeof buffer) continue;
                break;
            }
            if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
            return close_now(connection);
        }
        if (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) return close_now(connection);
        if (!connection.answering) take_request(connection);
    }

    void take_request(Connection& connection) {
        const std::size_t head = connection.in.find("\r\n\r\n");
        if (head == std::string::npos) return;
        std::size_t length = 0;
        for (const char* name : {"Content-Length:", "content-length:"}) {
            const std::size_t at = connection.in.find(name);
            if (at < head) length = static_cast<std::size_t>(std::atoll(connection.in.c_str() + at + 15));
        }
        // Some clients of the benchmark send their bodies chunked.
        const bool chunked = std::string_view(connection.in).substr(0, head).find("chunked") != std::string_view::npos;
        std::size_t end = head + 4 + length;
        if (chunked) {
            const std::size_t last = connection.in.find("\r\n0\r\n\r\n", head + 2);
            if (last == std::string::npos) return;
            end = last + 7;
        }
        if (connection.in.size() < end) return;
        const std::string request = connection.in.substr(0, end);
        connection.in.erase(0, end);
        answer(connection, request, std::string_view(request).substr(head + 4));
    }

    void answer(Connection& connection, std::string_view request, std::string_view body) {
        connection.answering = true;
        connection.head_sent = false;
        connection.sent = 0;
        if (request.starts_with("GET ")) return send_whole(connection, page(request));
        connection.name = text_in(body, "\"user\":");
        connection.pieces = number_in(body, "\"max_tokens\"", 4);
        connection.pace_ms = number_in(body, "\"seed\"", 0);
        const std::size_t stream = body.find("\"stream\"");
        connection.stream =
            stream != std::string_view::npos && body.substr(stream + 8, 8).find("true") != std::string_view::npos;
        connection.wants_usage = body.find("\"include_usage\"") != std::string_view::npos;
        note("arrived", connection);
        const std::int64_t delay = number_in(body, "\"top_k\"", 0);
        if (delay > 0) return later(connection, delay);
        go_on(connection);
    }

    static std::string page(std::string_view request) {
        const char* slots = std::getenv("MOCK_SLOTS");
        if (request.starts_with("GET /props")) {
            return std::string(R"({"default_generation_settings":{"n_ctx":4096,"params":{}},"total_slots":)") +
                   (slots ? slots : "1024") +
                   R"(,"model_path":"mock","build_info":"b11669-mock","chat_template":"","modalities":{},"is_sleeping":false})";
        }
        if (request.starts_with("GET /v1/models")) {
            return R"({"object":"list","data":[{"id":"mock","object":"model","created":1,"owned_by":"mock","meta":{"n_ctx_train":4096}}]})";
        }
        return R"({"status":"ok"})";
    }

    void send_whole(Connection& connection, const std::string& body) {
        char head[160];
        std::snprintf(head, sizeof head,
                      "HTTP/1.1 200 OK\r\nServer: mock\r\nContent-Type: application/json; "
                      "charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                      body.size());
        connection.out += head;
        connection.out += body;
        finish(connection);
    }

    std::string piece(const Connection& connection) const {
        char words[64];
        if (connection.pace_ms > 0) {
            std::snprintf(words, sizeof words, " #%lld @%lld", static_cast<long long>(connection.sent),
                          static_cast<long long>(clock_now()));
        } else {
            std::snprintf(words, sizeof words, " word%lld", static_cast<long long>(connection.sent));
        }
        return words;
    }

    void go_on(Connection& connection) {
        if (!connection.stream) {
            std::string text;
            for (; connection.sent < connection.pieces; ++connection.sent)
                text += " word" + std::to_string(connection.sent);
            return send_whole(
                connection,
                R"({"choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":")" + text +
                    R"("}}],)" + std::string(kFrame) + R"(,"object":"chat.completion","usage":)" + usage(connection) +
                    "}");
        }
        if (!connection.head_sent) {
            connection.out +=
                "HTTP/1.1 200 OK\r\nServer: mock\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
                "chunked\r\n\r\n";
            connection.head_sent = true;
        }
        do {
            if (connection.sent == connection.pieces) return end_stream(connection);
            connection.out +=
                chunk(event(R"({"choices":[{"finish_reason":null,"index":0,"delta":{"content":")" + piece(connection) +
                            R"("}}],)" + std::string(kFrame) + R"(,"object":"chat.completion.chunk"})"));
            ++connection.sent;
        } while (connection.pace_ms == 0);
        flush(connection);
        later(connection, connection.pace_ms);
    }

    static std::string usage(const Connection& connection) {
        return R"({"completion_tokens":)" + std::to_string(connection.pieces) + R"(,"prompt_tokens":)" +
               std::to_string(kPromptTokens) + R"(,"total_tokens":)" +
               std::to_string(connection.pieces + kPromptTokens) + R"(,"prompt_tokens_details":{"cached_tokens":0}})";
    }

    void end_stream(Connection& connection) {
        std::string last = event(R"({"choices":[{"finish_reason":"stop","index":0,"delta":{}}],)" +
                                 std::string(kFrame) + R"(,"object":"chat.completion.chunk"})");
        if (connection.wants_usage) {
            last += event(R"({"choices":[],)" + std::string(kFrame) + R"(,"object":"chat.completion.chunk","usage":)" +
                          usage(connection) + "}");
        }
        connection.out += chunk(last + event("[DONE]")) + "0\r\n\r\n";
        finish(connection);
    }

    void finish(Connection& connection) {
        note("finished", connection);
        connection.answering = false;
        connection.name.clear();
        flush(connection);
    }

    void flush(Connection& connection) {
        while (!connection.out.empty()) {
            const ssize_t count = send(connection.fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
            if (count < 0) break;  // full, or gone: the read side tells
            connection.out.erase(0, static_cast<std::size_t>(count));
        }
        watch(connection.fd, connection.out.empty() ? EPOLLIN | EPOLLRDHUP : EPOLLIN | EPOLLOUT | EPOLLRDHUP,
              connection.number, EPOLL_CTL_MOD);
    }

    struct Timer {
        Nanoseconds at;
        std::uint64_t number;
        bool operator<(const Timer& other) const { return at > other.at; }
    };
    void later(const Connection& connection, std::int64_t ms) {
        timers_.push({clock_now() + ms * 1'000'000, connection.number});
    }
    int timeout() const {
        if (timers_.empty()) return -1;
        const Nanoseconds left = timers_.top().at - clock_now();
        return left <= 0 ? 0 : static_cast<int>((left + 999'999) / 1'000'000);
    }
    void fire_timers() {
        while (!timers_.empty() && timers_.top().at <= clock_now()) {
            const auto found = connections_.find(timers_.top().number);
            timers_.pop();
            if (found != connections_.end() && found->second->answering) go_on(*found->second);
        }
    }

    int listener_, epoll_;
    std::FILE* log_ = nullptr;
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
    std::priority_queue<Timer> timers_;
};

int listen_on(const std::string& host, int port) {
    const char* backlog_text = std::getenv("MOCK_BACKLOG");
    const int backlog = backlog_text ? std::atoi(backlog_text) : 4096;
    int fd = -1;
    if (host.ends_with(".sock")) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (host.size() >= sizeof address.sun_path) die("the path is too long");
        std::memcpy(address.sun_path, host.data(), host.size());
        unlink(host.c_str());
        if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    } else {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) die("not an address");
        if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    }
    if (listen(fd, backlog) != 0) die("listen");
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    std::string host = "127.0.0.1";
    int port = 8080;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--version") {
            std::fprintf(stderr, "version: 0.7.0 (build 11669, commit mock)\nbuilt with nothing\n");
            return 0;
        }
        if (flag == "--help") {  // the manager looks up here which flags it may use
            std::fputs(
                "--model V\n--alias V\n--host V\n--port V\n--ctx-size V\n--parallel V\n--n-gpu-layers V\n"
                "--threads V\n--threads-batch V\n--batch-size V\n--ubatch-size V\n--flash-attn V\n"
                "--cache-type-k V\n--cache-type-v V\n--embeddings\n--chat-template V\n--jinja\n--no-jinja\n"
                "--offline\n--no-ui\n--no-webui\n--metrics\n--slots\n--no-slots\n--no-kv-unified\n--fit V\n"
                "--no-context-shift\n--cors-origins V\n--sleep-idle-seconds V\n--log-colors V\n"
                "--timeout V\n--device V\n--main-gpu V\n--cache-ram V\n--api-key-file V\n",
                stdout);
            return 0;
        }
        if (flag == "--host" && i + 1 < argc) host = argv[++i];
        if (flag == "--port" && i + 1 < argc) port = std::atoi(argv[++i]);
    }
    Mock(listen_on(host, port)).run();
}
