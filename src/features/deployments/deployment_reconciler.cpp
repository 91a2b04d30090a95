#include "features/deployments/deployment_reconciler.hpp"

#include "base/async/race.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/deployments/deployment_json.hpp"
#include "features/models/model_service.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

namespace llama_server = engines::llama_server;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

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

Task<> ended_then_keep(Process& process, std::optional<ExitStatus>& status) {
    status = co_await process.wait();
}

}  // namespace

Reconciler::Reconciler(Deps deps, Settings settings, DeploymentId id, std::optional<Adopted> adopted)
    : deps_(deps), settings_(settings), id_(std::move(id)), changed_(deps.executor), settled_(deps.executor) {
    if (!adopted) return;
    const auto endpoint = parse_endpoint(adopted->instance.endpoint).value_or(Endpoint(UnixEndpoint{}));
    engine_.emplace(Engine{.instance = std::move(adopted->instance),
                           .process = std::move(adopted->process),
                           .endpoint = endpoint,
                           .upstream = std::make_shared<Upstream>(endpoint),
                           .model = {}});
}

void Reconciler::poke() {
    ++version_;
    changed_.notify();
}

void Reconciler::retry() {
    parked_ = false;
    unloaded_ = false;
    crashes_.clear();
    early_exits_ = failures_ = 0;
    not_before_ = Clock::time_point::min();
    poke();
}

void Reconciler::restart() {
    restart_wanted_ = true;
    retry();
}

void Reconciler::finish(Leave leave) {
    finishing_ = leave;
    poke();
}

Task<> Reconciler::ended() {
    while (!ended_)
        co_await wait_settled(settlements_);
}

Task<> Reconciler::run() {
    while (!(finishing_ && (!engine_ || *finishing_ == Leave::engine_running))) {
        seen_ = version_;
        std::exception_ptr failure;
        try {
            co_await turn();
        } catch (const Error&) {
            failure = std::current_exception();
        }
        if (failure) {  // the database, mostly: the next turn begins with what is true then
            log::error("a deployment's step failed", {{"deployment", id_.str()}, {"error", describe(failure)}});
            co_await wait(settings_.pace.first_delay);
        }
    }
    ended_ = true;
    wake_waiters();
}

Task<> Reconciler::turn() {
    if (!engine_) restart_wanted_ = false;
    const auto row = co_await deps_.store.find(id_);
    const bool wanted = row && row->desired == Desired::running && !finishing_ && !unloaded_;
    if (engine_ && (!wanted || restart_wanted_)) {
        co_await end_engine();
    } else if (engine_) {
        co_await watch(*row);
    } else if (wanted && !parked_ && Clock::now() >= not_before_) {
        co_await begin_engine(*row);
    } else if (finishing_ || !row) {
        co_await wait(kForever);
    } else if (wanted && !parked_) {
        co_await wait(std::max(milliseconds(1), duration_cast<milliseconds>(not_before_ - Clock::now())));
    } else {
        const Status settled = wanted ? Status::failed : Status::stopped;
        if (row->status != settled) co_await settle({.status = settled});
        wake_waiters();
        co_await wait(kForever);
    }
}

Task<> Reconciler::begin_engine(const Deployment& wanted) {
    std::optional<Error> failure;
    try {
        engine_.emplace(co_await spawn(wanted));
    } catch (const Error& error) {
        failure = error;
    }
    if (!failure) {
        co_await deps_.store.update_instance(engine_->instance);
        co_await announce();
        co_return;
    }
    for (const Instance& instance : (co_await deps_.store.find(id_)).value_or(wanted).instances) {
        co_await deps_.store.remove_instance(instance.id);
    }
    if (!failure->log_note().empty()) {
        log::warning("an engine can't be started", {{"deployment", id_.str()}, {"note", failure->log_note()}});
    }
    // A port gets free again; a model or a program that is missing does not come by itself.
    if (failure->code() != ErrorCode::port_in_use) parked_ = true;
    co_await after_failure(fmt::format("{}: {}", name_of(failure->code()), failure->message().en), false);
}

// The row comes before the process and the process before its pid: whatever kills us in between, the next run finds the
// engine by its row or by its environment.
Task<Reconciler::Engine> Reconciler::spawn(const Deployment& wanted) {
    const auto model = co_await deps_.models.engine_path(wanted.model_id);
    const InstanceId id = InstanceId::generate();
    const Endpoint endpoint = co_await deps_.starter.endpoint_for(id, wanted.port);
    Instance instance{.id = id,
                      .state = InstanceState::starting,
                      .process = {},
                      .endpoint = to_string(endpoint),
                      .memory_bytes = {},
                      .started_at = now()};
    const ProcessSpec spec = co_await deps_.starter.spec(wanted, instance.id, endpoint, model);
    co_await deps_.store.insert_instance(id_, instance);
    co_await settle({.status = Status::deploying});
    const auto log_start = co_await deps_.files.run([&spec] { return log_size(spec.output); });
    Process process = Process::start(deps_.executor, spec);
    instance.process = process.identity();
    log::info("engine started", {{"deployment", wanted.name}, {"pid", instance.process->pid}});
    co_return Engine{.instance = std::move(instance),
                     .process = std::move(process),
                     .endpoint = endpoint,
                     .upstream = std::make_shared<Upstream>(endpoint),
                     .model = wanted.name,
                     .log_start = log_start};
}

// Until something is to be decided: the engine has ended, failed, or something else is wanted.
Task<> Reconciler::watch(const Deployment& wanted) {
    if (engine_->model.empty()) engine_->model = wanted.name;
    while (engine_ && version_ == seen_) {
        co_await check(wanted);
        if (!engine_ || version_ != seen_) co_return;
        const Woken woken =
            co_await wait(engine_->ready() ? settings_.pace.health_interval : settings_.pace.start_poll);
        if (woken != Woken::ended) continue;
        const ExitStatus status = co_await engine_->process.wait();
        const bool was_ready = engine_->was_ready;
        std::string what = co_await describe_end("the engine ended with " + status.to_string(), status);
        co_await forget_engine();
        co_await after_failure(std::move(what), was_ready);
    }
}

Task<> Reconciler::check(const Deployment& wanted) {
    auto health = llama_server::Health::failed;
    std::optional<ExitStatus> status;
    const auto upstream = engine_->upstream;
    // Whoever wants a change, or the end of the process, doesn't wait for an engine that hangs.
    co_await race(assign(llama_server::health(*upstream), health),
                  [](Reconciler& self, std::optional<ExitStatus>& ended) -> Task<> {
                      co_await race(ended_then_keep(self.engine_->process, ended),
                                    self.changed_or_late(self.settings_.pace.health_limit));
                  }(*this, status));
    if (status || version_ != seen_) co_return;

    const auto time = Clock::now();
    if (health == llama_server::Health::ready) {
        engine_->healthy_at = time;
        if (!engine_->ready()) co_await became_ready();
        if (engine_->ready() && time - engine_->measured_at >= settings_.pace.measure_interval) co_await measure();
        if (time - engine_->started > settings_.pace.crash_window) failures_ = 0;
        if (idle_too_long(wanted)) {
            unloaded_ = true;
            poke();
        }
        co_return;
    }
    const bool hangs = engine_->was_ready && time - engine_->healthy_at > settings_.pace.unhealthy_limit;
    const bool too_slow = !engine_->was_ready && time - engine_->started > settings_.start_timeout;
    if (!hangs && !too_slow) co_return;
    const bool was_ready = engine_->was_ready;
    std::string what = co_await describe_end(
        hangs ? fmt::format("the engine did not answer for {} s",
                            duration_cast<std::chrono::seconds>(time - engine_->healthy_at).count())
              : fmt::format("the engine was not ready after {} s",
                            duration_cast<std::chrono::seconds>(time - engine_->started).count()),
        ExitStatus{});
    co_await engine_->process.stop(settings_.stop_grace);
    co_await forget_engine();
    co_await after_failure(std::move(what), was_ready);
}

Task<> Reconciler::became_ready() {
    std::string effective;
    try {
        effective = co_await read_effective(*engine_->upstream);
    } catch (const Error& error) {
        log::warning("an engine does not tell its settings", {{"deployment", id_.str()}, {"note", error.log_note()}});
        co_return;  // asked again with the next look
    }
    engine_->instance.state = InstanceState::ready;
    engine_->was_ready = true;
    early_exits_ = 0;
    activity_->last_use = Clock::now();
    co_await deps_.store.update_instance(engine_->instance);
    co_await measure();
    co_await settle({.status = Status::running, .effective = std::move(effective), .last_error = {}});
}

Task<> Reconciler::measure() {
    engine_->measured_at = Clock::now();
    const pid_t pid = engine_->process.identity().pid;
    const auto log = deps_.starter.log_path(id_);
    const auto bytes = co_await deps_.files.run([this, pid, &log] {
        rotate_log(log, settings_.max_log_bytes, kKeptLogs);
        return resident_bytes(pid);
    });
    if (!bytes || !differs(engine_->instance.memory_bytes, static_cast<std::int64_t>(*bytes))) co_return;
    engine_->instance.memory_bytes = static_cast<std::int64_t>(*bytes);
    co_await deps_.store.update_instance(engine_->instance);
    co_await announce();
}

Task<> Reconciler::end_engine() {
    restart_wanted_ = false;
    engine_->instance.state = InstanceState::stopping;
    co_await deps_.store.update_instance(engine_->instance);
    co_await announce();
    co_await engine_->process.stop(settings_.stop_grace);
    co_await forget_engine();
    const auto row = co_await deps_.store.find(id_);
    const bool again = row && row->desired == Desired::running && !finishing_ && !unloaded_;
    if (row) co_await settle({.status = again ? Status::deploying : Status::stopped});
}

// The process is gone: so is its row.
Task<> Reconciler::forget_engine() {
    const InstanceId instance = engine_->instance.id;
    const Endpoint endpoint = engine_->endpoint;
    engine_.reset();
    co_await deps_.files.run([&endpoint] { remove_socket(endpoint); });
    co_await deps_.store.remove_instance(instance);
}

Task<> Reconciler::after_failure(std::string what, bool was_ready) {
    const auto time = Clock::now();
    const Pace& pace = settings_.pace;
    crashes_.push_back(time);
    while (time - crashes_.front() > pace.crash_window)
        crashes_.pop_front();
    if (!was_ready) ++early_exits_;
    if (early_exits_ >= pace.max_early_exits || crashes_.size() >= pace.max_crashes) parked_ = true;
    const auto doublings = std::min<std::size_t>(failures_++, 20);
    not_before_ = time + jittered(std::min(pace.longest_delay, pace.first_delay * (1 << doublings)));
    log::warning("engine failed", {{"deployment", id_.str()}, {"how", what}, {"gave_up", parked_}});
    co_await settle({.status = parked_ ? Status::failed : Status::deploying,
                     .effective = {},
                     .last_error = std::move(what),
                     .more_restarts = parked_ ? 0 : 1});
}

Task<std::string> Reconciler::describe_end(std::string how, ExitStatus status) {
    const auto log = deps_.starter.log_path(id_);
    const auto start = engine_->log_start;
    const auto lines = co_await deps_.files.run([&log, start] { return log_since(log, start, kLinesToExplain); });
    std::string text = fmt::format("{}: {}", how, llama_server::explain_failure(lines, status).text.en);
    for (std::size_t i = lines.size() > kLinesToShow ? lines.size() - kLinesToShow : 0; i < lines.size(); ++i) {
        text += "\n" + lines[i];
    }
    co_return text;
}

Task<> Reconciler::settle(DeploymentStore::Observation observation) {
    co_await deps_.store.observe(id_, std::move(observation));
    co_await announce();
    wake_waiters();
}

void Reconciler::wake_waiters() {
    ++settlements_;
    settled_.notify();
}

Task<> Reconciler::announce() {
    if (const auto row = co_await deps_.store.find(id_)) publish_updated(deps_.events, *row);
}

Task<Reconciler::Woken> Reconciler::wait(milliseconds limit) {
    std::optional<ExitStatus> status;
    if (engine_) {
        co_await race(ended_then_keep(engine_->process, status), changed_or_late(limit));
        if (status) co_return Woken::ended;
    } else {
        co_await changed_or_late(limit);
    }
    co_return version_ != seen_ ? Woken::changed : Woken::time;
}

Task<> Reconciler::wait_changed(std::uint64_t seen) {
    while (version_ == seen)
        co_await changed_.wait();
}

Task<> Reconciler::changed_or_late(milliseconds limit) {
    co_await race(wait_changed(seen_), sleep_for(limit));
}

Task<> Reconciler::wait_settled(std::uint64_t seen) {
    while (settlements_ == seen)
        co_await settled_.wait();
}

bool Reconciler::idle_too_long(const Deployment& wanted) const {
    if (wanted.idle_unload_seconds == 0 || activity_->leases > 0) return false;
    return Clock::now() - activity_->last_use > std::chrono::seconds(wanted.idle_unload_seconds);
}

EngineLease Reconciler::lease() {
    ++activity_->leases;
    std::shared_ptr<void> busy(nullptr, [activity = activity_](void*) {
        --activity->leases;
        activity->last_use = Clock::now();
    });
    return {engine_->upstream, engine_->model, std::move(busy)};
}

std::optional<EngineLease> Reconciler::lease_if_ready() {
    // A wish that the loop has not seen yet may be to stop.
    if (!engine_ || !engine_->ready() || restart_wanted_ || finishing_ || unloaded_ || version_ != seen_)
        return std::nullopt;
    return lease();
}

Task<EngineLease> Reconciler::ensure_ready(Clock::time_point deadline) {
    while (true) {
        const std::uint64_t seen = settlements_;
        const auto row = co_await deps_.store.find(id_);
        if (!row) fail(ErrorCode::deployment_not_found, "there is no deployment {}", "部署 {} 不存在", id_.str());
        if (row->desired == Desired::stopped || finishing_) {
            fail(ErrorCode::state_conflict, "the deployment {} is stopped: start it first", "部署 {} 已停止，请先启动",
                 row->name);
        }
        if (std::exchange(unloaded_, false)) poke();
        if (engine_ && engine_->ready() && !restart_wanted_) co_return lease();
        if (parked_) {
            throw Error(ErrorCode::engine_failed,
                        Text::format("the engine of {} keeps failing", "部署 {} 的引擎反复失败", row->name),
                        {{"last_error", row->last_error.value_or("")}});
        }
        const auto left = duration_cast<milliseconds>(deadline - Clock::now());
        if (left <= milliseconds(0)) {
            fail(ErrorCode::engine_timeout, "the engine of {} is not ready in time", "部署 {} 的引擎未能及时就绪",
                 row->name);
        }
        co_await race(wait_settled(seen), sleep_for(left));
    }
}

}  // namespace llmm::deployments
