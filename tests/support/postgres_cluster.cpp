#include "support/postgres_cluster.hpp"

#include "base/secret/secret.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <libpq-fe.h>
#include <memory>
#include <netinet/in.h>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::test {
namespace {

namespace fs = std::filesystem;

// $1 the programs' folder, $2 the port; standard input: the password. The server refuses to run as root, so
// root becomes the user that Debian's packages made. Prints the directory, then waits for the end of standard
// input.
constexpr const char* kKeeper = R"sh(
bin=$1 port=$2
read -r password
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmm-postgres-XXXXXX") || exit 1
trap : INT TERM HUP
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$dir" || exit 1
echo "$dir"
printf %s "$password" >password
[ -z "$as" ] || chown postgres password
server=
if $as "$bin/initdb" -D data -U llmm -A scram-sha-256 --pwfile=password -E UTF8 --no-locale -N >initdb.log 2>&1; then
    $as setpriv --pdeathsig QUIT "$bin/postgres" -D data -p "$port" -k "$dir" -h 127.0.0.1 -c fsync=off \
        -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 >server.log 2>&1 &
    server=$!
fi
read -r _
if [ -n "$server" ]; then
    kill -QUIT "$server" 2>/dev/null
    wait "$server"
fi
cd /
rm -rf "$dir"
)sh";

fs::path find_programs() {
    fs::path newest;
    int newest_version = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
        const int version = std::atoi(entry.path().filename().c_str());
        if (version > newest_version && fs::exists(entry.path() / "bin/initdb")) {
            newest_version = version;
            newest = entry.path() / "bin";
        }
    }
    if (newest.empty()) {
        throw std::runtime_error("PostgreSQL's server programs are not installed: run scripts/setup --for test");
    }
    return newest;
}

int find_free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool ok = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    if (!ok) throw std::runtime_error("there is no free port on 127.0.0.1");
    return ntohs(address.sin_port);
}

std::string read_line(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n')
        line += c;
    return line;
}

std::string read_file(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

}  // namespace

PostgresCluster& PostgresCluster::instance() {
    static PostgresCluster cluster;
    return cluster;
}

PostgresCluster::PostgresCluster() : password_(random_secret(16).reveal()), port_(find_free_port()) {
    const std::string programs = find_programs();
    const std::string port = std::to_string(port_);
    int to_keeper[2];
    int from_keeper[2];
    if (::pipe2(to_keeper, O_CLOEXEC) != 0 || ::pipe2(from_keeper, O_CLOEXEC) != 0)
        throw std::runtime_error("pipe2 failed");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to_keeper[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from_keeper[1], STDOUT_FILENO);
    const char* arguments[] = {"sh", "-c", kKeeper, "keeper", programs.c_str(), port.c_str(), nullptr};
    const int error = ::posix_spawn(&keeper_, "/bin/sh", &actions, nullptr, const_cast<char**>(arguments), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(to_keeper[0]);
    ::close(from_keeper[1]);
    pipe_ = to_keeper[1];
    const std::string line = password_ + "\n";
    if (error != 0 || ::write(pipe_, line.data(), line.size()) < 0)
        throw std::runtime_error("the keeper of the PostgreSQL server could not be started");
    directory_ = read_line(from_keeper[0]);
    ::close(from_keeper[0]);
    wait_until_ready();
}

PostgresCluster::~PostgresCluster() {
    ::close(pipe_);
    ::waitpid(keeper_, nullptr, 0);
}

void PostgresCluster::wait_until_ready() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const std::string target = url("postgres");
    while (PQping(target.c_str()) != PQPING_OK) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error("the private PostgreSQL server did not start:\n" +
                                     read_file(directory_ / "initdb.log") + read_file(directory_ / "server.log"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::string PostgresCluster::url(const std::string& database) const {
    return fmt::format("postgresql://llmm:{}@127.0.0.1:{}/{}", password_, port_, database);
}

void PostgresCluster::execute(const std::string& sql) const {
    const Connection connection(PQconnectdb(url("postgres").c_str()), &PQfinish);
    const Result result(PQexec(connection.get(), sql.c_str()), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        throw std::runtime_error(sql + ": " + PQerrorMessage(connection.get()));
    }
}

}  // namespace llmm::test
