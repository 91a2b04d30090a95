#pragma once
#include "base/async/task.hpp"
#include "base/ids/id.hpp"
#include "base/net/upstream.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace llmm::chat {

// An engine that answers now. While this is held the engine counts as busy, and a place in front of it is taken.
struct Engine {
    std::shared_ptr<Upstream> upstream;
    std::string model;            // the name to send in the field `model`
    std::string deployment = {};  // its deployment's name, and the ref of what it runs: for the usage
    std::string model_ref = {};
    // It did not answer: nobody is sent there until it has shown that it lives. True when there is another one.
    std::function<bool()> give_up = {};
};

// What chat needs to know of deployments.
class EngineSource {
  public:
    virtual ~EngineSource() = default;
    // DEPLOYMENT_NOT_FOUND.
    virtual Task<DeploymentId> find(std::string id_or_name) = 0;
    struct Asked {
        DeploymentId id;
        std::chrono::steady_clock::time_point deadline;
        std::string caller = {};  // callers take turns
        std::string prefix = {};  // requests with the same one go to the same instance, which has it in its cache
        // Its place in the queue (1: the next one), once a second while it waits for one.
        std::function<void(std::size_t position)> queued = {};
    };
    // Waits for a place in front of the engine and while it starts. DEPLOYMENT_NOT_FOUND, STATE_CONFLICT,
    // ENGINE_FAILED, ENGINE_TIMEOUT, RATE_LIMITED, OVERLOADED.
    virtual Task<Engine> take(Asked asked) = 0;
    // The engine itself, whoever else waits for it: for measuring it.
    virtual Task<Engine> ensure_ready(DeploymentId id, std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace llmm::chat
