#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "features/deployments/deployment.hpp"
#include "features/deployments/memory_plan.hpp"
#include "features/deployments/memory_store.hpp"
#include "features/models/model.hpp"
#include "integrations/engines/engine.hpp"
#include "integrations/engines/llama_server/memory_estimate.hpp"
#include "integrations/hardware/gpu_reader.hpp"

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace llmm::models {
class ModelService;
}

namespace llmm::deployments {

class DeploymentStore;

// What an instance does now, told by those who run them.
struct InstanceActivity {
    bool busy = true;  // somebody waits for its answer
    std::chrono::milliseconds idle{}, load{};
};

// The ledger of memory: who holds what of which device, who still fits, and what was measured. Everything that starts
// an engine asks here first. Used from the event loop only.
class MemoryPlanner {
  public:
    struct Deps {
        DeploymentStore& deployments;
        MemoryStore& peaks;
        models::ModelService& models;
        BlockingPool& files;
        const hardware::GpuReader& gpus;
        const engines::EngineSet& engines;
        hardware::KernelFiles kernel = {};  // where the free memory is read
    };
    // `keep_free`: bytes of every device that nobody gets.
    MemoryPlanner(Deps deps, std::uint64_t keep_free) : deps_(deps), keep_free_(keep_free) {}

    // Where it would run, what it needs and what stands in the way. Starts nothing.
    Task<MemoryPlan> plan(Deployment wanted);
    // The same for a model that is not here, by what is known of it: an engine of the kind that is asked, with its own
    // settings. No ways out are looked for.
    Task<MemoryPlan> plan_unseen(engines::llama_server::ModelShape shape, std::string engine);
    // Reserves it for an instance, or throws INSUFFICIENT_MEMORY. A need that is not known is let in. Idle deployments
    // that agreed to it are ended when that makes room.
    Task<MemoryPlan> admit(Deployment wanted, InstanceId instance);
    void release(const InstanceId& instance);
    // Looks at a running instance; what was `used` (has answered a request) and larger than before is kept for plans.
    Task<> observe(Deployment deployment, InstanceId instance, pid_t pid, bool used);

    // Asked for each instance whether it may be ended for another; nullopt: it must not.
    std::function<std::optional<InstanceActivity>(const DeploymentId&, const InstanceId&)> activity;
    // Ends an idle deployment until its next request; returns when it is gone, or has become busy.
    std::function<Task<>(DeploymentId, std::string reason)> evict;

  private:
    struct Facts;  // of one model and deployment: where it runs, the formula's sum, the peak
    std::optional<engines::llama_server::MemorySettings> settings_of(const Deployment& wanted, bool has_gpu) const;
    Task<Facts> facts(Deployment wanted, std::vector<hardware::Gpu> gpus,
                      std::optional<engines::llama_server::ModelShape> shape = {});
    Task<MemoryPlan> plan(Deployment wanted, std::optional<engines::llama_server::ModelShape> shape);
    Task<std::optional<engines::llama_server::ModelShape>> shape_of(ModelId model);
    Task<std::vector<Reservation>> reservations(std::vector<hardware::Gpu> gpus);
    Task<std::vector<WayOut>> ways_out(Deployment wanted, MemoryPlan plan, std::vector<Reservation> others);

    const Deps deps_;
    const std::uint64_t keep_free_;
    // Let in by this run of the program; others are calculated from their rows.
    std::map<InstanceId, Bytes> admitted_;
    std::size_t admissions_ = 0;                   // counts them
    std::map<InstanceId, std::int64_t> observed_;  // the largest resident size that was kept
};

}  // namespace llmm::deployments
