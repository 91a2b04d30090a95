#include "support/fake_engine.hpp"

#include "support/paths.hpp"

#include <csignal>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::test {
namespace {

namespace fs = std::filesystem;
constexpr auto kPatience = std::chrono::seconds(30);

bool accepts_connections(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
}

}  // namespace

FakeEngine::FakeEngine(const std::string& script, int context) : socket_path_(directory_ / "e.sock") {
    const std::string program = directory_ / "engine";
    fs::create_symlink(fs::path(LLMM_SOURCE_DIR) / "tests/fakes/engine", program);
    const std::string log = directory_ / "log";
    std::ofstream(program + ".json") << "{\"requests\":\"" << log << "\"" << (script.empty() ? "" : ",") << script
                                     << "}";
    std::string arguments[] = {program, "--host",     socket_path_,           "--alias",
                               "tiny",  "--ctx-size", std::to_string(context)};
    std::vector<char*> argv;
    for (std::string& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) {
        throw std::runtime_error("tests/fakes/engine can't be started");
    }
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!accepts_connections(socket_path_)) {
        if (std::chrono::steady_clock::now() > until) throw std::runtime_error("tests/fakes/engine does not listen");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

FakeEngine::~FakeEngine() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::shared_ptr<Upstream> FakeEngine::upstream() const {
    return std::make_shared<Upstream>(UnixEndpoint{socket_path_});
}

std::vector<FakeEngine::LogEntry> FakeEngine::log() const {
    std::vector<LogEntry> entries;
    std::ifstream file(directory_ / "log");
    for (std::string line; std::getline(file, line) && !file.eof();) {
        const auto value = boost::json::parse(line);
        const auto& object = value.as_object();
        const std::chrono::duration<double> time(object.at("time").to_number<double>());
        const auto* body = object.if_contains("body");
        entries.push_back(
            {std::string(object.at("event").as_string()),
             std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::nanoseconds>(time)),
             body ? std::string(body->as_string()) : std::string()});
    }
    return entries;
}

FakeEngine::LogEntry FakeEngine::wait_for(std::string_view event, std::size_t count) const {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
        std::size_t seen = 0;
        for (const LogEntry& entry : log()) {
            if (entry.event == event && ++seen == count) return entry;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "the engine's log has no " << event << " number " << count;
    return {};
}

}  // namespace llmm::test
