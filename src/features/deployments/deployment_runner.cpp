#include "features/deployments/deployment_runner.hpp"

#include "base/async/race.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/deployments/deployment_engine.hpp"
#include "features/deployments/deployment_log.hpp"
#include "features/deployments/memory_planner.hpp"
#include "features/models/model_service.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

using engines::Health;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kForever = std::chrono::hours(24);
constexpr std::size_t kLinesToExplain = 100;
constexpr std::size_t kLinesToShow = 5;
constexpr int kKeptLogs = 3;

// Half of the delay is fixed, half is random: engines that failed together don't come back together.
milliseconds jittered(milliseconds delay) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_int_distribution<std::int64_t> part(delay.count() / 2, delay.count());
    return milliseconds(part(random));
}

// More than one per cent apart: what is less is not worth a row and an event.
bool differs(std::optional<std::int64_t> before, std::int64_t after) {
    return !before || std::abs(*before - after) * 100 > *before;
}

Task<> keep_end(engines::EngineInstance& instance, std::optional<std::string>& how) {
    how = co_await instance.wait();
}

}  // namespace

Runner::Runner(Deps deps, Settings settings, Deployment wanted, std::uint64_t generation,
               std::optional<Adopted> adopted)
    : deps_(deps),
      settings_(std::move(settings)),
      wanted_(std::move(wanted)),
      generation_(generation),
      row_{.id = InstanceId::generate(), .endpoint = {}},
      changed_(deps.executor) {
    activity_->runner = this;
    if (!adopted) return;
    row_ = std::move(adopted->row);
    row_stored_ = true;
    instance_ = std::move(adopted->instance);
    tell("adopted", "it ran when this program started");
}

Runner::~Runner() {
    activity_->runner = nullptr;
}

void Runner::poke() {
    ++version_;
    changed_.notify();
}

void Runner::set_state(State state) {
    state_ = state;
    deps_.owner.runner_changed();
}

void Runner::tell(std::string_view kind, std::string reason) {
    deps_.owner.happened(kind, std::move(reason), row_stored_ ? std::optional(row_.id) : std::nullopt);
}

void Runner::drain(milliseconds limit) {
    if (leaving()) return;
    if (activity_->leases > 0) tell("draining", fmt::format("{} requests are being answered", activity_->leases));
    drain_until_ = Clock::now() + limit;
    poke();
}

void Runner::finish(Leave leave) {
    finishing_ = leave;
    poke();
}

void Runner::retry() {
    crashes_.clear();
    early_exits_ = failures_ = 0;
    not_before_ = Clock::time_point::min();
    if (state_ == State::parked || state_ == State::waiting) state_ = State::starting;
    poke();
}

bool Runner::is_done() const {
    if (!leaving()) return false;
    return !instance_ || finishing_ == Leave::running;
}

Task<> Runner::run() {
    while (!is_done()) {
        seen_ = version_;
        std::exception_ptr failure;
        try {
            co_await turn();
        } catch (const Error&) {
            failure = std::current_exception();
        }
        if (failure) {  // the database, mostly: the next turn begins with what is true then
            log::error("a step of an engine failed", {{"deployment", wanted_.id.str()}, {"error", describe(failure)}});
            co_await changed_or_late(settings_.pace.first_delay);
        }
    }
    set_state(State::ended);
}

Task<> Runner::turn() {
    const auto time = Clock::now();
    const bool drained = drain_until_ && (activity_->leases == 0 || time >= *drain_until_);
    if (instance_ && (finishing_ || drained)) {
        co_await end();
    } else if (instance_) {
        co_await watch();
    } else if (state_ == State::parked) {
        co_await changed_or_late(kForever);
    } else if (time < not_before_) {
        co_await changed_or_late(std::max(milliseconds(1), duration_cast<milliseconds>(not_before_ - time)));
    } else {
        co_await begin();
    }
}

Task<> Runner::begin() {
    set_state(State::starting);
    std::optional<Error> failure;
    try {
        co_await spawn();
    } catch (const Error& error) {
        failure = error;
    }
    if (!failure) co_return;
    give_back_memory();
    if (std::exchange(row_stored_, false)) co_await deps_.store.remove_instance(row_.id);
    if (!failure->log_note().empty()) {
        log::warning("an engine can't be started", {{"deployment", wanted_.id.str()}, {"note", failure->log_note()}});
    }
    if (failure->code() == ErrorCode::engine_unavailable && co_await lacks_service())
        co_return wait_for_service(*failure);
    // A port gets free again; a model or a program that is missing does not come by itself.
    if (failure->code() != ErrorCode::port_in_use) early_exits_ = settings_.pace.max_early_exits;
    co_await after_failure(fmt::format("{}: {}", name_of(failure->code()), failure->message().en), failure->code(),
                           false);
}

// The row comes before the process and the process before its pid: whatever kills us in between, the next run finds the
// engine by its row or by its marks.
Task<> Runner::spawn() {
    if (!deps_.engine) {
        fail(ErrorCode::engine_unavailable, "this version has no engine {}", "此版本没有引擎 {}", wanted_.engine);
    }
    std::filesystem::path model;
    if (deps_.engine->descriptor().needs_model) model = co_await deps_.models.engine_path(wanted_.model_id);
    const InstanceId id = InstanceId::generate();
    const engines::Order order = order_for(wanted_, id, std::move(model), settings_.log);
    // Whoever wants a change does not wait for an image of many gigabytes.
    std::optional<engines::Record> prepared;
    co_await race(assign(deps_.engine->prepare(order), prepared), wait_changed(seen_));
    if (!prepared) co_return;
    co_await race(reserve_memory(id), wait_changed(seen_));
    if (!admitted_) co_return;

    row_ = {.id = id, .endpoint = {}, .spec = spec_of(wanted_), .started_at = now()};
    take_record(row_, *prepared);
    co_await deps_.store.insert_instance(wanted_.id, row_);
    row_stored_ = true;
    tell("starting");
    waits_for_service_ = false;
    effective_.reset();
    was_ready_ = false;
    started_ = healthy_at_ = measured_at_ = Clock::now();
    log_start_ = co_await deps_.files.run([this] { return log_size(settings_.log); });
    std::exception_ptr failure;
    try {
        instance_ = co_await deps_.engine->start(order, *prepared);
    } catch (const Error&) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await clear_away(order, std::move(*prepared));
        std::rethrow_exception(failure);
    }
    take_record(row_, instance_->record());
    log::info(
        "engine started",
        {{"deployment", wanted_.name}, {"engine", wanted_.engine}, {"pid", row_.process ? row_.process->pid : 0}});
    co_await deps_.store.update_instance(row_);
    deps_.owner.runner_changed();
}

// A start may have failed with half of it done: a key written, a container made.
Task<> Runner::clear_away(engines::Order order, engines::Record record) {
    try {
        const auto left = co_await deps_.engine->adopt(std::move(order), std::move(record));
        if (left) co_await left->stop(milliseconds(0));
    } catch (const Error& error) {
        log::warning("what a start left can't be removed", {{"deployment", wanted_.id.str()}, {"error", error.what()}});
    }
}

Task<> Runner::reserve_memory(InstanceId id) {
    give_back_memory();
    const MemoryPlan plan = co_await deps_.memory.admit(wanted_, id);
    admitted_ = id;
    const auto sum = [&](engines::Place place) {
        const auto total = plan.estimate.total(place);
        return plan.known && total ? std::optional(static_cast<std::int64_t>(*total)) : std::nullopt;
    };
    co_await deps_.store.set_memory(wanted_.id, sum(engines::Place::host), sum(engines::Place::gpu));
}

void Runner::give_back_memory() {
    if (admitted_) deps_.memory.release(*admitted_);
    admitted_.reset();
}

// Adds a tenth to a start at most, and doesn't keep an engine busy that loads for minutes.
milliseconds Runner::start_pause() const {
    constexpr milliseconds kShortest{2};
    const auto so_far = std::chrono::duration_cast<milliseconds>(Clock::now() - started_);
    return std::clamp(so_far / 10, std::min(kShortest, settings_.pace.start_poll), settings_.pace.start_poll);
}

// Until something is to be decided: the engine has ended, failed, or something else is wanted.
Task<> Runner::watch() {
    while (instance_ && version_ == seen_) {
        co_await check();
        if (!instance_ || version_ != seen_) co_return;
        const bool often = !was_ready_ && deps_.engine->descriptor().owns_instances;
        milliseconds pause = often ? start_pause() : settings_.pace.health_interval;
        if (drain_until_) pause = std::min(pause, settings_.pace.start_poll);
        std::string how;
        if (!co_await ended_within(pause, how)) {
            if (drain_until_ && Clock::now() >= *drain_until_) co_return;
            continue;
        }
        const bool was_ready = was_ready_;
        std::string what = co_await describe_end("the engine ended with " + how);
        co_await instance_->stop(milliseconds(0));
        co_await forget();
        co_await after_failure(std::move(what), failure_, was_ready);
    }
}

Task<> Runner::check() {
    auto health = Health::failed;
    std::optional<std::string> how;
    // Whoever wants a change, or the end of the process, doesn't wait for an engine that hangs.
    co_await race(assign(instance_->probe(), health), [](Runner& self, std::optional<std::string>& end) -> Task<> {
        co_await race(keep_end(*self.instance_, end), self.changed_or_late(self.settings_.pace.health_limit));
    }(*this, how));
    if (how || version_ != seen_) co_return;

    const auto time = Clock::now();
    if (health == Health::ready) {
        healthy_at_ = time;
        if (std::exchange(activity_->doubted, false)) deps_.owner.runner_changed();
        if (state_ != State::ready) co_await became_ready();
        if (state_ == State::ready && time - measured_at_ >= settings_.pace.measure_interval) co_await measure();
        if (time - started_ > settings_.pace.crash_window) failures_ = 0;
        co_return;
    }
    if (!deps_.engine->descriptor().owns_instances) co_return lost_contact();
    const bool hangs = was_ready_ && time - healthy_at_ > settings_.pace.unhealthy_limit;
    const bool too_slow = !was_ready_ && time - started_ > settings_.start_timeout;
    if (!hangs && !too_slow) co_return;
    const bool was_ready = was_ready_;
    std::string what = co_await describe_end(
        hangs ? fmt::format("the engine did not answer for {} s", duration_cast<seconds>(time - healthy_at_).count())
              : fmt::format("the engine was not ready after {} s", duration_cast<seconds>(time - started_).count()));
    co_await instance_->stop(settings_.stop_grace);
    co_await forget();
    co_await after_failure(std::move(what), failure_, was_ready);
}

Task<> Runner::became_ready() {
    try {
        effective_ = co_await instance_->effective();
    } catch (const Error& error) {
        log::warning("an engine does not tell its settings",
                     {{"deployment", wanted_.id.str()}, {"note", error.log_note()}});
        co_return;  // asked again with the next look
    }
    if (!was_ready_) load_time_ = duration_cast<milliseconds>(Clock::now() - started_);
    was_ready_ = true;
    early_exits_ = 0;
    failure_.reset();
    activity_->last_use = Clock::now();
    co_await measure();
    // Whoever reads in the row that it is ready, finds it so.
    state_ = State::ready;
    row_.state = leaving() ? InstanceState::stopping : InstanceState::ready;
    co_await deps_.store.update_instance(row_);
    tell("ready", fmt::format("after {:.1f} s", std::chrono::duration<double>(Clock::now() - started_).count()));
    set_state(State::ready);
}

// Of an engine that is somebody else's: it is asked again until it answers.
void Runner::lost_contact() {
    std::string what = instance_->explain({}).text.en;
    if (state_ == State::unhealthy && what == unhealthy_why_) return;
    unhealthy_why_ = what;
    failure_ = ErrorCode::engine_unavailable;
    effective_.reset();
    tell("unhealthy", what);
    deps_.owner.runner_failed(std::move(what), true);
    set_state(State::unhealthy);
}

Task<> Runner::measure() {
    measured_at_ = Clock::now();
    if (deps_.owner.keeps_log(*this)) {
        co_await deps_.files.run([this] { rotate_log(settings_.log, settings_.max_log_bytes, kKeptLogs); });
    }
    if (row_.process) co_await deps_.memory.observe(wanted_, row_.id, row_.process->pid, activity_->used);
    const auto bytes = co_await instance_->memory();
    if (!bytes || !differs(row_.memory_bytes, static_cast<std::int64_t>(*bytes))) co_return;
    row_.memory_bytes = static_cast<std::int64_t>(*bytes);
    co_await deps_.store.update_instance(row_);
    deps_.owner.runner_changed();
}

Task<> Runner::end() {
    row_.state = InstanceState::stopping;
    co_await deps_.store.update_instance(row_);
    tell("stopping");
    set_state(State::stopping);
    co_await instance_->stop(settings_.stop_grace);
    tell("stopped");
    co_await forget();
}

// The engine is gone: so is its row.
Task<> Runner::forget() {
    instance_.reset();
    effective_.reset();
    activity_->used = activity_->doubted = false;
    give_back_memory();
    row_stored_ = false;
    co_await deps_.store.remove_instance(row_.id);
}

Task<bool> Runner::lacks_service() {
    if (!deps_.engine || !deps_.engine->descriptor().needs_service) co_return false;
    co_return (co_await deps_.engine->availability()).reason.has_value();
}

// It is no fault of the engine and tells nothing about the next start, so nothing is counted; and it is told once.
void Runner::wait_for_service(const Error& error) {
    not_before_ = Clock::now() + settings_.pace.service_poll;
    if (std::exchange(waits_for_service_, true)) return set_state(State::waiting);
    failure_ = error.code();
    log::warning("an engine waits for what runs it", {{"deployment", wanted_.id.str()}, {"note", error.log_note()}});
    tell("waiting", error.message().en);
    deps_.owner.runner_failed(fmt::format("{}: {}", name_of(error.code()), error.message().en), false);
    set_state(State::waiting);
}

Task<> Runner::after_failure(std::string what, std::optional<ErrorCode> code, bool was_ready) {
    const auto time = Clock::now();
    const Pace& pace = settings_.pace;
    crashes_.push_back(time);
    while (time - crashes_.front() > pace.crash_window)
        crashes_.pop_front();
    if (!was_ready) ++early_exits_;
    const bool gave_up = early_exits_ >= pace.max_early_exits || crashes_.size() >= pace.max_crashes;
    const auto doublings = std::min<std::size_t>(failures_++, 20);
    not_before_ = time + jittered(std::min(pace.longest_delay, pace.first_delay * (1 << doublings)));
    failure_ = code;
    log::warning("engine failed", {{"deployment", wanted_.id.str()}, {"how", what}, {"gave_up", gave_up}});
    tell("failed", what);
    if (gave_up) {
        tell("parked", "it kept failing: start it again once the cause is gone");
    } else {
        tell("waiting", fmt::format("next try in {:.1f} s", std::chrono::duration<double>(not_before_ - time).count()));
    }
    deps_.owner.runner_failed(std::move(what), gave_up);
    set_state(gave_up ? State::parked : State::waiting);
    co_return;
}

Task<std::string> Runner::describe_end(std::string how) {
    const auto lines =
        co_await deps_.files.run([this] { return log_since(settings_.log, log_start_, kLinesToExplain); });
    const engines::FailureCause cause = instance_->explain(lines);
    failure_ = cause.code;
    std::string text = fmt::format("{}: {}", how, cause.text.en);
    for (std::size_t i = lines.size() > kLinesToShow ? lines.size() - kLinesToShow : 0; i < lines.size(); ++i) {
        text += "\n" + lines[i];
    }
    co_return text;
}

Task<bool> Runner::ended_within(milliseconds limit, std::string& how) {
    std::optional<std::string> end;
    co_await race(keep_end(*instance_, end), changed_or_late(limit));
    if (end) how = std::move(*end);
    co_return end.has_value();
}

Task<> Runner::wait_changed(std::uint64_t seen) {
    while (version_ == seen)
        co_await changed_.wait();
}

Task<> Runner::changed_or_late(milliseconds limit) {
    co_await race(wait_changed(seen_), sleep_for(limit));
}

class Runner::Use final : public EngineLease::Use {
  public:
    explicit Use(std::shared_ptr<Activity> activity) : activity_(std::move(activity)) {
        ++activity_->leases;
        activity_->used = true;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() override {
        --activity_->leases;
        activity_->last_use = Clock::now();
        if (activity_->runner && activity_->runner->leaving()) activity_->runner->poke();
    }
    bool has_others() const override {
        return activity_->runner && activity_->runner->deps_.owner.has_others(*activity_->runner);
    }
    void give_up() override {
        if (!activity_->runner) return;
        activity_->doubted = true;
        activity_->runner->poke();
    }

  private:
    std::shared_ptr<Activity> activity_;
};

EngineLease Runner::lease() {
    return {instance_->upstream(), instance_->model(), std::make_shared<Use>(activity_)};
}

}  // namespace llmm::deployments
