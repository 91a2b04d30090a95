#include "integrations/engines/local_address.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::engines {
namespace {

constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path without its NUL
constexpr std::size_t kShortId = 12;         // the random end of a UUIDv7
constexpr std::string_view kSocketSuffix = ".sock";

bool has_room(const std::filesystem::path& directory) {
    return directory.native().size() + 1 + kShortId + kSocketSuffix.size() <= kMaxSocketPath;
}

// Somebody else could have made a directory below /tmp first, to read what is said or to answer instead of the engine.
void check_private(const std::filesystem::path& directory) {
    struct stat info{};
    if (::lstat(directory.c_str(), &info) != 0) throw_errno("lstat socket directory", errno);
    if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 077) == 0) return;
    throw Error(ErrorCode::engine_unavailable,
                Text{"the directory for the engines' sockets belongs to somebody else or is open to others",
                     "引擎套接字目录属于其他用户或对他人开放"})
        .with_log_note(directory.native());
}

// 0: any free one. Answers the port, or 0 when it is taken.
int bind_loopback(int port) {
    const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!probe) throw_errno("socket", errno);
    const int yes = 1;  // connections of an earlier engine that linger don't count
    ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return 0;
    if (::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw_errno("getsockname", errno);
    return ntohs(address.sin_port);
}

}  // namespace

std::filesystem::path socket_directory(const std::filesystem::path& home) {
    std::filesystem::path directory = home / "run";
    if (!has_room(directory)) {
        const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        const bool usable = runtime && runtime[0] == '/';
        directory = usable ? std::filesystem::path(runtime) / "llm-manager" : std::filesystem::path();
        if (!usable || !has_room(directory)) directory = fmt::format("/tmp/llm-manager-{}", ::geteuid());
    }
    make_directories(directory, 0700);
    check_private(directory);
    return directory;
}

std::filesystem::path private_file(const std::filesystem::path& home, const std::string& instance,
                                   std::string_view suffix) {
    const auto start = instance.size() - std::min(instance.size(), kShortId);
    return socket_directory(home) / (instance.substr(start) + std::string(suffix));
}

void remove_socket(const Endpoint& endpoint) {
    const auto* local = std::get_if<UnixEndpoint>(&endpoint);
    if (!local) return;
    std::error_code missing;
    std::filesystem::remove(local->path, missing);
}

void check_port_free(int port) {
    if (bind_loopback(port) != 0) return;
    throw Error(ErrorCode::port_in_use,
                Text::format("port {} can't be listened on: another program has it",
                             "端口 {} 无法监听：已被其他程序占用", port),
                {{"port", std::int64_t{port}}});
}

int find_free_port() {
    if (const int port = bind_loopback(0)) return port;
    fail(ErrorCode::port_in_use, "no port of the loopback address is free", "回环地址没有空闲端口");
}

}  // namespace llmm::engines
