#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "base/error/error.hpp"
#include "features/deployments/deployment.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::deployments {

// Environment that every engine gets, so that one without a usable row is found again.
inline constexpr std::string_view kInstanceMark = "LLM_MANAGER_INSTANCE";
inline constexpr std::string_view kHomeMark = "LLM_MANAGER_ENGINE_HOME";

struct EngineInfo {
    std::string name;
    std::optional<std::string> version;  // of one that is available
    std::optional<Text> reason;          // why it is not
    std::vector<std::string> formats;
};

// The engine programs of this machine and how an instance is started with them. Used from the event loop only.
class EngineStarter {
  public:
    struct Places {
        std::filesystem::path home;
        engines::llama_server::SearchPlaces search;
    };
    EngineStarter(BlockingPool& files, Places places) : files_(files), places_(std::move(places)) {}

    // Searched again each time, so that an engine that is installed later is found; asked for its version and flags
    // only when the file has changed. Throws ENGINE_UNAVAILABLE with how to get it.
    Task<engines::llama_server::Program> program();
    Task<EngineInfo> info();  // throws nothing that says "unavailable"

    // Where a new instance will listen. Makes the socket's directory.
    Task<Endpoint> endpoint_for(InstanceId instance, std::optional<int> port);
    std::filesystem::path log_path(const DeploymentId& id) const;
    Task<ProcessSpec> spec(Deployment deployment, InstanceId instance, Endpoint endpoint, std::filesystem::path model);

  private:
    struct Known {
        engines::llama_server::Program program;
        std::filesystem::file_time_type changed_at;
    };

    BlockingPool& files_;
    const Places places_;
    std::optional<Known> known_;
};

// A socket left by an instance that has ended would make the next one fail to bind. Blocking.
void remove_socket(const Endpoint& endpoint);
// Throws PORT_IN_USE when somebody listens on this port of the loopback address. Blocking.
void check_port_free(int port);
// A private directory for sockets whose names fit into a socket address. Blocking.
std::filesystem::path socket_directory(const std::filesystem::path& home);
// "auto", "cpu", device numbers or one device's UUID.
bool is_gpu_device(std::string_view text);

}  // namespace llmm::deployments
