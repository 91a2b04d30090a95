#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/events/event_bus.hpp"
#include "base/net/upstream.hpp"
#include "base/process/process.hpp"
#include "features/deployments/deployment.hpp"
#include "features/deployments/deployment_engine.hpp"
#include "features/deployments/deployment_store.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace llmm::models {
class ModelService;
}

namespace llmm::deployments {

// A place at an engine that answers now. While it is held the engine counts as busy.
class EngineLease {
  public:
    EngineLease(std::shared_ptr<Upstream> upstream, std::string model, std::shared_ptr<void> busy)
        : upstream_(std::move(upstream)), model_(std::move(model)), busy_(std::move(busy)) {}
    Upstream& upstream() { return *upstream_; }
    const std::string& model() const { return model_; }  // the name to send in the field `model`

  private:
    std::shared_ptr<Upstream> upstream_;
    std::string model_;
    std::shared_ptr<void> busy_;
};

// How often an engine is looked at, and how patient the reconciler is with one that fails.
struct Pace {
    std::chrono::milliseconds start_poll{50};
    std::chrono::milliseconds health_interval{2'000};
    std::chrono::milliseconds health_limit{5'000};      // for one answer
    std::chrono::milliseconds unhealthy_limit{30'000};  // then it is stopped and started again
    std::chrono::milliseconds measure_interval{10'000};
    std::chrono::milliseconds first_delay{1'000};  // before the first restart; doubles
    std::chrono::milliseconds longest_delay{300'000};
    std::chrono::milliseconds crash_window{600'000};
    std::size_t max_crashes = 5;      // within the window: failed
    std::size_t max_early_exits = 3;  // in a row, before it was ever ready: failed
};

// Owns one deployment's engine process, its back-off and what the database says about them. Level-triggered: each turn
// of the loop reads what is wanted, compares it with what is, and takes one step.
class Reconciler {
  public:
    struct Deps {
        asio::any_io_executor executor;
        DeploymentStore& store;
        models::ModelService& models;
        EventBus& events;
        BlockingPool& files;
        EngineStarter& starter;
    };
    struct Settings {
        std::chrono::milliseconds start_timeout;
        std::chrono::milliseconds stop_grace;
        std::uint64_t max_log_bytes;
        Pace pace;
    };
    // `instance` and `process`: an engine that an earlier run of this program left.
    struct Adopted {
        Instance instance;
        Process process;
    };

    Reconciler(Deps deps, Settings settings, DeploymentId id, std::optional<Adopted> adopted);

    // The loop; ends after finish().
    Task<> run();
    // What is wanted has changed: look again. A deployment that failed is tried anew.
    void poke();
    void retry();
    void restart();
    enum class Leave { engine_running, engine_stopped };
    void finish(Leave leave);
    Task<> ended();

    Task<EngineLease> ensure_ready(std::chrono::steady_clock::time_point deadline);
    std::optional<EngineLease> lease_if_ready();

  private:
    using Clock = std::chrono::steady_clock;

    struct Engine {
        Instance instance;
        Process process;
        Endpoint endpoint;
        std::shared_ptr<Upstream> upstream;
        std::string model;
        std::uint64_t log_start = 0;  // where the log of this run begins
        Clock::time_point started = Clock::now();
        Clock::time_point healthy_at = Clock::now();  // the last good answer
        Clock::time_point measured_at = Clock::now();
        bool was_ready = false;
        bool ready() const { return instance.state == InstanceState::ready; }
    };
    // Leases outlive neither the loop's attention nor each other; the count outlives the reconciler.
    struct Activity {
        std::size_t leases = 0;
        Clock::time_point last_use = Clock::now();
    };
    enum class Woken { ended, changed, time };

    Task<> turn();
    Task<> begin_engine(const Deployment& wanted);
    Task<Engine> spawn(const Deployment& wanted);
    Task<> watch(const Deployment& wanted);
    Task<> check(const Deployment& wanted);
    Task<> became_ready();
    Task<> measure();
    Task<> end_engine();
    Task<> forget_engine();
    Task<> after_failure(std::string what, bool was_ready);
    Task<std::string> describe_end(std::string how, ExitStatus status);
    Task<> settle(DeploymentStore::Observation observation);
    Task<> announce();
    Task<Woken> wait(std::chrono::milliseconds limit);
    Task<> wait_changed(std::uint64_t seen);
    Task<> changed_or_late(std::chrono::milliseconds limit);
    Task<> wait_settled(std::uint64_t seen);
    void wake_waiters();
    bool idle_too_long(const Deployment& wanted) const;
    EngineLease lease();

    const Deps deps_;
    const Settings settings_;
    const DeploymentId id_;
    std::optional<Engine> engine_;
    std::shared_ptr<Activity> activity_ = std::make_shared<Activity>();

    std::uint64_t version_ = 0;  // counts what should make the loop look again
    std::uint64_t seen_ = 0;
    Signal changed_;
    std::uint64_t settlements_ = 0;  // counts what should make waiters look again
    Signal settled_;
    bool restart_wanted_ = false;
    bool unloaded_ = false;  // idle for too long: starts with the next request
    std::optional<Leave> finishing_;
    bool ended_ = false;

    bool parked_ = false;  // kept failing: nothing happens until somebody asks
    std::deque<Clock::time_point> crashes_;
    std::size_t early_exits_ = 0;
    std::size_t failures_ = 0;  // in a row, for the back-off
    Clock::time_point not_before_ = Clock::time_point::min();
};

}  // namespace llmm::deployments
