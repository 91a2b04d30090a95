#pragma once
#include "base/async/task.hpp"
#include "features/deployments/deployment.hpp"
#include "integrations/engines/engine.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace llmm::deployments {

struct EngineInfo {
    const engines::Engine* engine = nullptr;
    engines::Availability availability;
};

struct EngineChoice {
    engines::Engine* engine = nullptr;
    std::string reason;  // of "auto"; empty: it was asked for
};
// The engine that was asked for, or with "auto" the first that is here and runs the format with this config. Throws
// ENGINE_UNAVAILABLE, UNSUPPORTED_FORMAT.
Task<EngineChoice> choose_engine(const engines::EngineSet& engines, std::string asked, std::string format,
                                 std::string config);

// Throws ENGINE_UNAVAILABLE, with what would help, when it is not here.
Task<> check_available(engines::Engine& engine);

// A short name for everything that an instance is started with: when it differs, the instance is to be replaced.
std::string spec_of(const Deployment& deployment);
engines::Order order_for(const Deployment& deployment, const InstanceId& instance, std::filesystem::path model,
                         std::filesystem::path log);
engines::Record record_of(const Instance& instance);
void take_record(Instance& instance, engines::Record record);

std::filesystem::path log_path(const std::filesystem::path& home, const DeploymentId& id);
// "auto", "cpu", device numbers or one device's UUID.
bool is_gpu_device(std::string_view text);

}  // namespace llmm::deployments
