#include "integrations/docker/docker_client.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "base/net/url.hpp"
#include "base/text/parse_number.hpp"
#include "integrations/docker/log_frames.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::docker {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kConnectLimit{3};
constexpr seconds kAnswerLimit{30};
constexpr seconds kCreateLimit{300};  // copies the image where the storage driver can't share it
constexpr hours kForever{24 * 365};
constexpr seconds kPullSilence{300};
constexpr std::size_t kMaxAnswer = 8 << 20;
constexpr std::size_t kMaxLine = 1 << 20;
// The newest version of the API that this client was written for, and the oldest that has all of it.
constexpr int kNewest = 44, kOldest = 40;

[[noreturn]] void throw_unreachable(const HttpError& error) {
    throw Error(ErrorCode::engine_unavailable,
                Text{"Docker does not answer: is it running, and may this user reach its socket?",
                     "Docker 无响应：请确认其已运行且当前用户可访问其套接字"},
                {{"engine", std::string("docker")}})
        .with_log_note(error.what());
}

// {"message":"…"}
std::string message_of(const std::string& body) {
    try {
        const json::value answer = parse_json(body);
        if (const auto* object = answer.if_object()) {
            if (const auto* message = object->if_contains("message"); message && message->is_string())
                return std::string(message->get_string());
        }
    } catch (const Error&) {
        return "an answer that is no JSON";
    }
    return "no reason";
}

[[noreturn]] void throw_refused(std::string_view what, int status, const std::string& message) {
    throw Error(ErrorCode::engine_failed, Text::format("Docker refuses to {}: {}", "Docker 拒绝{}：{}", what, message))
        .with_log_note(fmt::format("{}: status {}", what, status));
}

const json::value* at(const json::value& value, std::string_view pointer) {
    boost::system::error_code missing;
    return value.find_pointer(pointer, missing);
}

std::string text_at(const json::value& value, std::string_view pointer) {
    const json::value* found = at(value, pointer);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::int64_t number_at(const json::value& value, std::string_view pointer) {
    const json::value* found = at(value, pointer);
    return found && found->is_int64() ? found->get_int64() : 0;
}

bool flag_at(const json::value& value, std::string_view pointer) {
    const json::value* found = at(value, pointer);
    return found && found->is_bool() && found->get_bool();
}

std::map<std::string, std::string> labels_at(const json::value& value, std::string_view pointer) {
    std::map<std::string, std::string> labels;
    const json::value* found = at(value, pointer);
    if (!found || !found->is_object()) return labels;
    for (const auto& [name, text] : found->get_object()) {
        if (text.is_string()) labels[name] = text.get_string();
    }
    return labels;
}

// {"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}]}
std::optional<int> host_port_of(const json::value& container) {
    const json::value* ports = at(container, "/NetworkSettings/Ports");
    if (!ports || !ports->is_object()) return std::nullopt;
    for (const auto& [port, bindings] : ports->get_object()) {
        const auto number = parse_number<int>(text_at(bindings, "/0/HostPort"));
        if (number && *number > 0 && *number < 65'536) return number;
    }
    return std::nullopt;
}

json::value parse_answer(const std::string& body) {
    try {
        return parse_json(body);
    } catch (const Error& error) {
        throw Error(ErrorCode::engine_failed, Text{"Docker answers what is no JSON", "Docker 返回的不是 JSON"})
            .with_log_note(error.what());
    }
}

// The sum over the layers whose size has been told.
class PullCounter {
  public:
    // Throws when the line tells of a failure.
    void take(const std::string& line) {
        const json::value event = parse_answer(line);
        std::string failure = text_at(event, "/errorDetail/message");
        if (failure.empty()) failure = text_at(event, "/error");
        if (!failure.empty()) throw_refused("pull the image", 200, failure);
        const std::string id = text_at(event, "/id");
        const std::int64_t total = number_at(event, "/progressDetail/total");
        const std::int64_t current = number_at(event, "/progressDetail/current");
        if (id.empty() || total <= 0 || current < 0 || text_at(event, "/status") != "Downloading") return;
        layers_[id] = {static_cast<std::uint64_t>(current), static_cast<std::uint64_t>(total)};
    }
    PullProgress progress() const {
        PullProgress sum;
        for (const auto& [id, layer] : layers_) {
            sum.done += layer.done;
            sum.total += layer.total;
        }
        return sum;
    }

  private:
    std::map<std::string, PullProgress> layers_;
};

}  // namespace

std::optional<std::string> parse_docker_host(const std::string& text) {
    constexpr std::string_view kScheme = "unix://";
    if (!text.starts_with(kScheme) || text.size() == kScheme.size() || text[kScheme.size()] != '/') return std::nullopt;
    return text.substr(kScheme.size());
}

DockerClient::DockerClient(std::string socket) : socket_(std::move(socket)), upstream_(UnixEndpoint{socket_}) {}

Task<> DockerClient::negotiate() {
    std::string body;
    std::optional<std::string_view> offered;
    HttpHeaders headers;
    try {
        auto response = co_await upstream_.send({.method = "GET",
                                                 .target = "/_ping",
                                                 .connect_timeout = kConnectLimit,
                                                 .head_timeout = kAnswerLimit,
                                                 .read_timeout = kAnswerLimit});
        headers = response.headers();
        body = co_await response.read_all(kMaxAnswer);
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
    offered = find_header(headers, "Api-Version");
    std::optional<int> minor;
    if (offered && offered->starts_with("1.")) minor = parse_number<int>(offered->substr(2));
    if (!minor || *minor < kOldest) {
        throw Error(ErrorCode::engine_unavailable,
                    Text::format("this Docker is too old: version 1.{} of its API is needed",
                                 "Docker 版本过旧：需要 API 1.{} 或更高版本", kOldest),
                    {{"engine", std::string("docker")}});
    }
    prefix_ = fmt::format("/v1.{}", std::min(*minor, kNewest));
}

Task<UpstreamResponse> DockerClient::open(std::string method, std::string path, std::string body,
                                          milliseconds head_limit, milliseconds read_limit) {
    if (prefix_.empty()) co_await negotiate();
    HttpHeaders headers;
    if (!body.empty()) headers.push_back({"Content-Type", "application/json"});
    try {
        co_return co_await upstream_.send({.method = std::move(method),
                                           .target = prefix_ + path,
                                           .headers = std::move(headers),
                                           .body = std::move(body),
                                           .connect_timeout = kConnectLimit,
                                           .head_timeout = head_limit,
                                           .read_timeout = read_limit});
    } catch (const HttpError& error) {
        prefix_.clear();  // another version may answer next
        throw_unreachable(error);
    }
}

Task<DockerClient::Answer> DockerClient::call(std::string method, std::string path, std::string body,
                                              milliseconds limit) {
    auto response = co_await open(std::move(method), std::move(path), std::move(body), limit, limit);
    try {
        co_return Answer{response.status(), co_await response.read_all(kMaxAnswer)};
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
}

Task<std::string> DockerClient::version() {
    prefix_.clear();
    const Answer answer = co_await call("GET", "/version", "", kAnswerLimit);
    if (answer.status != 200) throw_refused("tell its version", answer.status, message_of(answer.body));
    co_return text_at(parse_answer(answer.body), "/Version");
}

Task<bool> DockerClient::has_image(std::string image) {
    const Answer answer = co_await call("GET", fmt::format("/images/{}/json", image), "", kAnswerLimit);
    if (answer.status != 200 && answer.status != 404)
        throw_refused("look for the image", answer.status, message_of(answer.body));
    co_return answer.status == 200;
}

Task<> DockerClient::pull(std::string image, std::function<void(PullProgress)> report) {
    // Without a tag every one of the repository would be fetched.
    const auto slash = image.rfind('/');
    const bool has_tag = image.find(':', slash == std::string::npos ? 0 : slash) != std::string::npos;
    const std::string name = has_tag ? image : image + ":latest";
    auto response =
        co_await open("POST", "/images/create?fromImage=" + percent_encode(name), "", kPullSilence, kPullSilence);
    PullCounter counter;
    std::string text;
    try {
        while (auto piece = co_await response.read_some()) {
            text += *piece;
            if (response.status() != 200 && text.size() < kMaxLine) continue;
            for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
                std::string line = text.substr(0, end);
                text.erase(0, end + 1);
                if (line.ends_with('\r')) line.pop_back();
                if (line.empty()) continue;
                counter.take(line);
                report(counter.progress());
            }
            if (text.size() > kMaxLine) throw_refused("pull the image", 200, "a line without an end");
        }
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
    if (response.status() != 200) throw_refused("pull the image", response.status(), message_of(text));
}

Task<std::string> DockerClient::create(std::string name, std::string body) {
    const Answer answer =
        co_await call("POST", "/containers/create?name=" + percent_encode(name), std::move(body), kCreateLimit);
    if (answer.status != 201) throw_refused("create the container", answer.status, message_of(answer.body));
    co_return text_at(parse_answer(answer.body), "/Id");
}

Task<> DockerClient::start(std::string id) {
    const Answer answer = co_await call("POST", fmt::format("/containers/{}/start", id), "", kCreateLimit);
    if (answer.status == 204 || answer.status == 304) co_return;
    const std::string message = message_of(answer.body);
    if (message.contains("port is already allocated") || message.contains("address already in use")) {
        throw Error(ErrorCode::port_in_use,
                    Text{"the container's port is taken by another program", "容器端口已被其他程序占用"})
            .with_log_note(message);
    }
    throw_refused("start the container", answer.status, message);
}

Task<> DockerClient::stop(std::string id, seconds grace) {
    const Answer answer =
        co_await call("POST", fmt::format("/containers/{}/stop?t={}", id, grace.count()), "", grace + kAnswerLimit);
    if (answer.status != 204 && answer.status != 304 && answer.status != 404)
        throw_refused("stop the container", answer.status, message_of(answer.body));
}

Task<> DockerClient::remove(std::string id) {
    const Answer answer = co_await call("DELETE", fmt::format("/containers/{}?force=1&v=1", id), "", kCreateLimit);
    // 409: its removal is under way.
    if (answer.status != 204 && answer.status != 404 && answer.status != 409)
        throw_refused("remove the container", answer.status, message_of(answer.body));
}

Task<std::optional<ContainerState>> DockerClient::inspect(std::string id) {
    const Answer answer = co_await call("GET", fmt::format("/containers/{}/json", id), "", kAnswerLimit);
    if (answer.status == 404) co_return std::nullopt;
    if (answer.status != 200) throw_refused("show the container", answer.status, message_of(answer.body));
    const json::value container = parse_answer(answer.body);
    co_return ContainerState{.status = text_at(container, "/State/Status"),
                             .running = flag_at(container, "/State/Running"),
                             .out_of_memory = flag_at(container, "/State/OOMKilled"),
                             .exit_code = static_cast<int>(number_at(container, "/State/ExitCode")),
                             .error = text_at(container, "/State/Error"),
                             .host_port = host_port_of(container),
                             .labels = labels_at(container, "/Config/Labels")};
}

Task<std::vector<ContainerSummary>> DockerClient::list(std::string label) {
    const std::string filters = json::serialize(json::object{{"label", json::array{label}}});
    const Answer answer =
        co_await call("GET", "/containers/json?all=1&filters=" + percent_encode(filters), "", kAnswerLimit);
    if (answer.status != 200) throw_refused("list containers", answer.status, message_of(answer.body));
    const json::value containers = parse_answer(answer.body);
    std::vector<ContainerSummary> result;
    if (!containers.is_array()) co_return result;
    for (const json::value& container : containers.get_array())
        result.push_back({text_at(container, "/Id"), labels_at(container, "/Labels")});
    co_return result;
}

Task<> DockerClient::wait_end(std::string id) {
    auto response =
        co_await open("POST", fmt::format("/containers/{}/wait?condition=not-running", id), "", kForever, kForever);
    try {
        // The head comes at once, the body at the end.
        co_await response.read_all(kMaxAnswer);
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
}

Task<std::optional<std::uint64_t>> DockerClient::memory(std::string id) {
    const Answer answer =
        co_await call("GET", fmt::format("/containers/{}/stats?stream=0&one-shot=1", id), "", kAnswerLimit);
    if (answer.status != 200) co_return std::nullopt;
    const json::value stats = parse_answer(answer.body);
    const std::int64_t usage = number_at(stats, "/memory_stats/usage");
    // What the kernel would give back at once: cgroup v2's and v1's name for it.
    std::int64_t cache = number_at(stats, "/memory_stats/stats/inactive_file");
    if (cache == 0) cache = number_at(stats, "/memory_stats/stats/total_inactive_file");
    if (usage <= 0) co_return std::nullopt;
    co_return static_cast<std::uint64_t>(std::max<std::int64_t>(usage - cache, 0));
}

Task<> DockerClient::follow_log(std::string id, std::chrono::nanoseconds since, std::function<Task<>(LogPiece)> sink) {
    constexpr int kBillion = 1'000'000'000;
    const std::string path = fmt::format("/containers/{}/logs?follow=1&stdout=1&stderr=1&timestamps=1&since={}.{:09}",
                                         id, since.count() / kBillion, since.count() % kBillion);
    auto response = co_await open("GET", path, "", kAnswerLimit, kForever);
    LogFrames frames;
    try {
        if (response.status() != 200) {
            const std::string body = co_await response.read_all(kMaxAnswer);
            throw_refused("show the log", response.status(), message_of(body));
        }
        while (auto piece = co_await response.read_some()) {
            std::string text = frames.take(*piece);
            if (!text.empty()) co_await sink({std::move(text), frames.time()});
            if (frames.broken()) co_return;
        }
    } catch (const HttpError& error) {
        throw_unreachable(error);
    }
}

}  // namespace llmm::docker
