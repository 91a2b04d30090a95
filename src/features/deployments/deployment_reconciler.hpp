#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/events/event_bus.hpp"
#include "features/deployments/deployment.hpp"
#include "features/deployments/deployment_runner.hpp"
#include "features/deployments/deployment_store.hpp"
#include "integrations/engines/engine.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmm::deployments {

// How far a start is that somebody waits for.
struct LoadProgress {
    Status status = Status::stopped;
    std::size_t waiting = 0;                            // requests that wait for it
    std::optional<std::chrono::milliseconds> elapsed;   // since the instance was started
    std::optional<std::chrono::milliseconds> expected;  // what the last start took
};

struct InstanceActivity;

// Owns one deployment's runners and what the database says about them: how many there are, which take requests, which
// are replaced because what is wanted has changed. Level-triggered: each turn of the loop reads what is wanted,
// compares it with what is, and takes what steps are possible now.
class Reconciler final : public RunnerOwner {
  public:
    struct Deps {
        asio::any_io_executor executor;
        DeploymentStore& store;
        models::ModelService& models;
        EventBus& events;
        BlockingPool& files;
        engines::Engine* engine;  // null: this program does not know it any more
        MemoryPlanner& memory;
    };

    Reconciler(Deps deps, Runner::Settings settings, DeploymentId id, std::vector<Runner::Adopted> adopted);

    // The loop; ends after finish().
    Task<> run();
    // What is wanted has changed: look again.
    void poke();
    // And one that failed is tried anew.
    void retry();
    // Puts new instances in the place of those that are there.
    void restart();
    void finish(Runner::Leave leave);
    Task<> ended();

    // `affinity`: requests with the same number go to the same instance while it is not busier than others; 0: any.
    Task<EngineLease> ensure_ready(std::chrono::steady_clock::time_point deadline, std::uint64_t affinity);
    // The same for an instance that is ready now, without asking the database; nullopt for any other.
    std::optional<EngineLease> lease_if_ready(std::uint64_t affinity);

    LoadProgress progress() const;
    // Whether an instance could be ended for another; nullopt: it must not, or is not ours.
    std::optional<InstanceActivity> activity(const InstanceId& instance) const;
    // Ends the instances until the next request; false when somebody uses one of them or they must not go.
    bool unload(std::string reason);
    // Starts with the next request, whatever the database says.
    void wait_for_request() { unloaded_ = true; }
    Task<> unloaded();
    // Of the instances that answer.
    std::vector<std::shared_ptr<Upstream>> upstreams() const;

    void runner_changed() override;
    bool has_others(const Runner& runner) const override;
    void runner_failed(std::string what, bool gave_up) override;
    void happened(std::string_view kind, std::string reason, std::optional<InstanceId> instance) override;
    bool keeps_log(const Runner& runner) const override;

  private:
    using Clock = std::chrono::steady_clock;
    using Runners = std::vector<std::shared_ptr<Runner>>;

    Task<> turn();
    void begin(std::vector<Runner::Adopted> adopted, const Deployment& row);
    void add(const Deployment& row, std::uint64_t generation, std::optional<Runner::Adopted> adopted);
    void arrange(const Deployment& row);
    void dismiss();
    void drop_ended();
    Status status_of(const Deployment& row, bool wanted) const;
    Task<> tell(const Deployment& row, bool wanted);
    bool idle_too_long(const Deployment& row) const;
    std::chrono::milliseconds next_look(const Deployment& row) const;
    Runner* pick(std::uint64_t affinity) const;
    bool hopeless() const;
    Error loading_error(const Deployment& row) const;
    Task<EngineLease> wait_ready(Clock::time_point deadline, std::uint64_t affinity);
    Task<> wait_changed(std::uint64_t seen);
    Task<> changed_or_late(std::chrono::milliseconds limit);
    Task<> wait_settled(std::uint64_t seen);

    const Deps deps_;
    const Runner::Settings settings_;
    const DeploymentId id_;
    std::vector<Runner::Adopted> adopted_;  // until the first turn
    Runners runners_;
    TaskGroup loops_;

    std::string spec_;              // of what is wanted
    std::uint64_t generation_ = 1;  // counts its changes; an instance of an older one is replaced
    bool no_surge_ = false;         // there was no memory for a new instance beside the old one

    std::uint64_t version_ = 0;  // counts what should make the loop look again
    std::uint64_t seen_ = 0;
    Signal changed_;
    std::uint64_t settlements_ = 0;  // counts what should make waiters look again
    Signal settled_;
    bool untold_ = false;      // something has changed that listeners don't know
    bool unloaded_ = false;    // idle for too long: starts with the next request
    bool may_unload_ = false;  // it agreed to be ended while it is idle
    Status status_ = Status::stopped;
    std::size_t waiting_ = 0;
    std::optional<std::chrono::milliseconds> load_time_;
    // Not written yet:
    std::optional<std::string> last_error_;
    int more_restarts_ = 0;
    std::vector<DeploymentEvent> happened_;
    std::optional<Runner::Leave> finishing_;
    bool ended_ = false;
};

}  // namespace llmm::deployments
