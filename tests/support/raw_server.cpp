#include "support/raw_server.hpp"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace llmm::test {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);  // longer than any test waits

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Of the head; 0 without the header.
std::size_t content_length(const std::string& head) {
    static constexpr std::string_view kName = "\r\ncontent-length:";
    std::string lowered = head;
    for (char& c : lowered)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::size_t at = lowered.find(kName);
    return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + kName.size(), nullptr, 10);
}

}  // namespace

bool RawConnection::read_more(std::chrono::milliseconds limit) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) <= 0) return false;
    char buffer[64 * 1024];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(count));
    return true;
}

std::string RawConnection::read_request() {
    std::size_t end;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
        if (!read_more(kPatience)) return {};
    }
    const std::size_t size = end + 4 + content_length(received_.substr(0, end));
    while (received_.size() < size) {
        if (!read_more(kPatience)) return {};
    }
    std::string request = received_.substr(0, size);
    received_.erase(0, size);
    return request;
}

bool RawConnection::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

bool RawConnection::wait_for_close(std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waiting{socket_, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return false;
        char buffer[4096];
        if (::recv(socket_, buffer, sizeof buffer, 0) <= 0) return true;
    }
}

void RawConnection::reset_on_close() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool RawConnection::sleep(std::chrono::milliseconds time) {
    return !wait_for_close(time);
}

RawServer::RawServer(Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (listener_ < 0) throw_errno("socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, SOMAXCONN) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        ::close(listener_);
        throw_errno("listen");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

RawServer::~RawServer() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);  // wakes accept()
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const Peer& peer : peers_)
            ::shutdown(peer.socket, SHUT_RDWR);
    }
    for (Peer& peer : peers_)
        peer.thread.join();
    ::close(listener_);
}

RawServer::Script RawServer::answer(std::string bytes) {
    return [bytes = std::move(bytes)](RawConnection& connection) {
        if (!connection.read_request().empty()) connection.write(bytes);
    };
}

std::string RawServer::url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

void RawServer::accept_all() {
    for (;;) {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) {
            if (stopping_) return;
            continue;
        }
        const std::lock_guard lock(mutex_);
        ++accepted_;
        Peer& peer = peers_.emplace_back(socket, std::thread());
        peer.thread = std::thread([this, &peer] { serve(peer); });
    }
}

void RawServer::serve(Peer& peer) {
    int socket;
    {
        const std::lock_guard lock(mutex_);
        socket = peer.socket;
    }
    RawConnection connection(socket);
    script_(connection);
    const std::lock_guard lock(mutex_);
    ::close(std::exchange(peer.socket, -1));
}

}  // namespace llmm::test
