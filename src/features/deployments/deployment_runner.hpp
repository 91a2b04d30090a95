#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/net/upstream.hpp"
#include "features/deployments/deployment.hpp"
#include "features/deployments/deployment_store.hpp"
#include "integrations/engines/engine.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace llmm::models {
class ModelService;
}

namespace llmm::deployments {

class MemoryPlanner;

// A place at an engine that answers now. While it is held the engine counts as busy.
class EngineLease {
  public:
    // The instance is busy as long as this lives.
    class Use {
      public:
        virtual ~Use() = default;
        virtual bool has_others() const = 0;
        virtual void give_up() = 0;
    };
    EngineLease(std::shared_ptr<Upstream> upstream, std::string model, std::shared_ptr<Use> use)
        : upstream_(std::move(upstream)), model_(std::move(model)), use_(std::move(use)) {}
    Upstream& upstream() { return *upstream_; }
    const std::string& model() const { return model_; }  // the name to send in the field `model`
    // Another instance of the deployment would take the request.
    bool has_others() const { return use_->has_others(); }
    // This one did not answer: nobody else is sent there until it has shown that it lives.
    void give_up() { use_->give_up(); }

  private:
    std::shared_ptr<Upstream> upstream_;
    std::string model_;
    std::shared_ptr<Use> use_;
};

// How often an engine is looked at, and how patient its runner is with one that fails.
struct Pace {
    std::chrono::milliseconds start_poll{50};  // at most
    std::chrono::milliseconds health_interval{2'000};
    std::chrono::milliseconds health_limit{3'000};     // for one answer
    std::chrono::milliseconds unhealthy_limit{8'000};  // then it is stopped and started again
    std::chrono::milliseconds measure_interval{10'000};
    std::chrono::milliseconds first_delay{1'000};  // before the first restart; doubles
    std::chrono::milliseconds longest_delay{300'000};
    std::chrono::milliseconds crash_window{600'000};
    std::size_t max_crashes = 5;                       // within the window: parked
    std::size_t max_early_exits = 3;                   // in a row, before it was ever ready: parked
    std::chrono::milliseconds service_poll{3'000};     // while what runs the engine doesn't answer
    std::chrono::milliseconds stop_drain{10'000};      // for running requests when it is stopped
    std::chrono::milliseconds replace_drain{600'000};  // and when another instance takes its place
};

class Runner;

// Who made a runner. Called from its loop.
class RunnerOwner {
  public:
    virtual ~RunnerOwner() = default;
    virtual void runner_changed() = 0;
    virtual void runner_failed(std::string what, bool gave_up) = 0;
    // For the deployment's history; the words are of DeploymentEvent.
    virtual void happened(std::string_view kind, std::string reason, std::optional<InstanceId> instance) = 0;
    // Instances of one deployment share a log, and one of them keeps it small.
    virtual bool keeps_log(const Runner& runner) const = 0;
    virtual bool has_others(const Runner& runner) const = 0;  // that take requests
};

// Keeps one instance of a deployment running as it was wanted when the runner was made: starts it, watches its health,
// starts it again after growing pauses, and gives up on one that keeps failing. Other settings need another runner.
// Level-triggered: each turn of the loop compares what is wanted with what is, and takes one step.
class Runner {
  public:
    struct Deps {
        asio::any_io_executor executor;
        DeploymentStore& store;
        models::ModelService& models;
        BlockingPool& files;
        engines::Engine* engine;  // null: this program does not know it any more
        MemoryPlanner& memory;
        RunnerOwner& owner;
    };
    struct Settings {
        std::chrono::milliseconds start_timeout;
        std::chrono::milliseconds stop_grace;
        std::uint64_t max_log_bytes;
        std::filesystem::path log;
        Pace pace;
    };
    // An engine that an earlier run of this program left.
    struct Adopted {
        Instance row;
        std::unique_ptr<engines::EngineInstance> instance;
    };
    enum class State {
        starting,
        ready,
        unhealthy,  // of somebody else, and does not answer
        waiting,    // for the next try
        parked,     // kept failing: nothing happens until somebody asks
        stopping,
        ended,
    };
    enum class Leave { running, stopped };

    Runner(Deps deps, Settings settings, Deployment wanted, std::uint64_t generation, std::optional<Adopted> adopted);
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    // The loop; ends after finish(), and after drain() when the last lease is given back or the limit is over.
    Task<> run();
    void drain(std::chrono::milliseconds limit);
    void finish(Leave leave);
    // Forgets failures: tries again at once.
    void retry();

    State state() const { return state_; }
    std::uint64_t generation() const { return generation_; }
    bool takes_requests() const { return state_ == State::ready && !leaving() && !activity_->doubted; }
    bool leaving() const { return finishing_ || drain_until_; }
    const std::optional<std::string>& effective() const { return effective_; }
    std::optional<ErrorCode> failure() const { return failure_; }  // why it is parked or waits
    const InstanceId& instance() const { return row_.id; }
    // What the last start took until it was ready.
    std::chrono::milliseconds load_time() const { return load_time_; }
    std::chrono::steady_clock::time_point started() const { return started_; }
    std::size_t leases() const { return activity_->leases; }
    std::chrono::steady_clock::time_point last_use() const { return activity_->last_use; }
    EngineLease lease();
    // To ask it about itself, without a lease; null while it does not answer.
    std::shared_ptr<Upstream> upstream() const { return state_ == State::ready ? instance_->upstream() : nullptr; }

  private:
    using Clock = std::chrono::steady_clock;

    // A lease may outlive its runner.
    struct Activity {
        Runner* runner = nullptr;
        bool used = false;  // has had a lease since the instance was started
        std::size_t leases = 0;
        Clock::time_point last_use = Clock::now();
        bool doubted = false;  // a request got no answer, and no look at it since
    };
    class Use;

    bool is_done() const;
    Task<> turn();
    Task<> begin();
    Task<> spawn();
    Task<> clear_away(engines::Order order, engines::Record record);
    Task<> reserve_memory(InstanceId id);
    void give_back_memory();
    std::chrono::milliseconds start_pause() const;
    Task<> watch();
    Task<> check();
    Task<> became_ready();
    void lost_contact();
    Task<> measure();
    Task<> end();
    Task<> forget();
    Task<bool> lacks_service();
    void wait_for_service(const Error& error);
    Task<> after_failure(std::string what, std::optional<ErrorCode> code, bool was_ready);
    Task<std::string> describe_end(std::string how);
    void set_state(State state);
    void tell(std::string_view kind, std::string reason = {});
    void poke();
    Task<bool> ended_within(std::chrono::milliseconds limit, std::string& how);
    Task<> wait_changed(std::uint64_t seen);
    Task<> changed_or_late(std::chrono::milliseconds limit);

    const Deps deps_;
    const Settings settings_;
    const Deployment wanted_;
    const std::uint64_t generation_;
    Instance row_;
    bool row_stored_ = false;
    std::shared_ptr<engines::EngineInstance> instance_;  // shared with who asks it for metrics meanwhile
    std::shared_ptr<Activity> activity_ = std::make_shared<Activity>();
    State state_ = State::starting;
    std::optional<std::string> effective_;
    std::optional<ErrorCode> failure_;
    bool waits_for_service_ = false;
    std::string unhealthy_why_;

    std::uint64_t version_ = 0;  // counts what should make the loop look again
    std::uint64_t seen_ = 0;
    Signal changed_;
    std::optional<Leave> finishing_;
    std::optional<Clock::time_point> drain_until_;

    std::uint64_t log_start_ = 0;  // where the log of this run begins
    Clock::time_point started_ = Clock::now();
    Clock::time_point healthy_at_ = Clock::now();  // the last good answer
    Clock::time_point measured_at_ = Clock::now();
    bool was_ready_ = false;
    std::optional<InstanceId> admitted_;  // memory is reserved for it
    std::chrono::milliseconds load_time_{};

    std::deque<Clock::time_point> crashes_;
    std::size_t early_exits_ = 0;
    std::size_t failures_ = 0;  // in a row, for the back-off
    Clock::time_point not_before_ = Clock::time_point::min();
};

}  // namespace llmm::deployments
