#pragma once
#include "base/async/task.hpp"
#include "base/net/upstream.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The Docker Engine API over its unix socket: what running engines needs, and nothing else. Every failure is an Error:
// ENGINE_UNAVAILABLE when the daemon does not answer, ENGINE_FAILED with its words when it refuses.
namespace llmm::docker {

struct ContainerState {
    std::string status;  // "created", "running", "exited", …
    bool running = false;
    bool out_of_memory = false;
    int exit_code = 0;
    std::string error;
    std::optional<int> host_port;  // of the one published port
    std::map<std::string, std::string> labels;
};

struct ContainerSummary {
    std::string id;
    std::map<std::string, std::string> labels;
};

struct PullProgress {
    std::uint64_t done = 0, total = 0;  // bytes of the layers that are known so far
};

// "unix:///path" of DOCKER_HOST; nullopt for anything else.
std::optional<std::string> parse_docker_host(const std::string& text);

class DockerClient {
  public:
    explicit DockerClient(std::string socket);

    // The daemon's version; agrees on one of the API. The calls below do so themselves when it has not been done.
    Task<std::string> version();

    Task<bool> has_image(std::string image);
    Task<> pull(std::string image, std::function<void(PullProgress)> report);
    // `body` is the JSON of POST /containers/create. Answers the id.
    Task<std::string> create(std::string name, std::string body);
    Task<> start(std::string id);
    // These two are content when the container is gone already.
    Task<> stop(std::string id, std::chrono::seconds grace);
    Task<> remove(std::string id);
    Task<std::optional<ContainerState>> inspect(std::string id);
    Task<std::vector<ContainerSummary>> list(std::string label);
    // Until it has ended, or the connection breaks. Waits for ever.
    Task<> wait_end(std::string id);
    Task<std::optional<std::uint64_t>> memory(std::string id);
    struct LogPiece {
        std::string text;               // of both streams, in their order
        std::chrono::nanoseconds time;  // of its last line, since 1970
    };
    // Until the container ends or the connection breaks. The sink gets what was written at `since` and later, as it
    // comes.
    Task<> follow_log(std::string id, std::chrono::nanoseconds since, std::function<Task<>(LogPiece)> sink);

  private:
    struct Answer {
        int status = 0;
        std::string body;
    };
    Task<Answer> call(std::string method, std::string path, std::string body, std::chrono::milliseconds limit);
    Task<UpstreamResponse> open(std::string method, std::string path, std::string body,
                                std::chrono::milliseconds head_limit, std::chrono::milliseconds read_limit);
    Task<> negotiate();

    std::string socket_;
    Upstream upstream_;
    std::string version_, prefix_;
};

}  // namespace llmm::docker
