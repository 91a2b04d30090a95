#include "support/fake_hub.hpp"

#include "support/paths.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

extern char** environ;

namespace llmm::test {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;

std::string read_line(int fd) {
    std::string line;
    char c = 0;
    for (;;) {
        const ssize_t count = ::read(fd, &c, 1);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw std::runtime_error("the fake hub ended before it was ready");
        if (c == '\n') return line;
        line += c;
    }
}

}  // namespace

FakeHub::FakeHub(const std::vector<std::string>& arguments) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    output_ = pipe[0];
    std::vector<std::string> words{"python3", LLMM_SOURCE_DIR "/tests/fakes/hub"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    const int error = ::posix_spawnp(&pid_, "python3", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    if (error != 0) throw std::system_error(error, std::generic_category(), "python3");

    const json::value ready = json::parse(read_line(output_));
    url_ = std::string(ready.at("hub").as_string());
    cdn_ = std::string(ready.at("cdn").as_string());
}

FakeHub::~FakeHub() {
    if (pid_ > 0) {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
}

json::value FakeHub::control(const char* method, std::string_view name, const json::value& body) const {
    boost::asio::io_context loop;
    boost::asio::ip::tcp::socket socket(loop);
    const std::string port = url_.substr(url_.rfind(':') + 1);
    boost::asio::connect(socket, boost::asio::ip::tcp::resolver(loop).resolve("127.0.0.1", port));
    http::request<http::string_body> request;
    request.method_string(method);
    request.target("/__control/" + std::string(name));
    request.set(http::field::host, url_.substr(url_.find("//") + 2));
    request.set(http::field::connection, "close");
    if (!body.is_null()) request.body() = json::serialize(body);
    request.prepare_payload();
    http::write(socket, request);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(socket, buffer, response);
    if (response.result_int() != 200) throw std::runtime_error("fake hub: " + response.body());
    return json::parse(response.body());
}

std::string FakeHub::add_repository(const json::value& description) const {
    const json::value answer = control("POST", "repos", description);
    const json::value* main = answer.at("refs").as_object().if_contains("refs/heads/main");
    return main ? std::string(main->as_string()) : std::string();  // a rename has no commit
}

void FakeHub::add_fault(const json::object& action, const json::object& match) const {
    control("POST", "faults", json::array{json::object{{"action", action}, {"match", match}}});
}

void FakeHub::clear_faults() const {
    control("DELETE", "faults");
}

void FakeHub::set(std::string_view setting, const json::value& value) const {
    control("POST", "settings", json::object{{setting, value}});
}

json::array FakeHub::log() const {
    return control("GET", "log").as_array();
}

void FakeHub::clear_log() const {
    control("DELETE", "log");
}

}  // namespace llmm::test
