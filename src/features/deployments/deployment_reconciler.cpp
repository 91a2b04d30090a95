#include "features/deployments/deployment_reconciler.hpp"

#include "base/async/race.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/deployments/deployment_engine.hpp"
#include "features/deployments/deployment_json.hpp"
#include "features/deployments/memory_planner.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using State = Runner::State;

constexpr milliseconds kForever = std::chrono::hours(24);
// So many requests more than the least busy one an instance may have and still get those that it knows the beginning
// of.
constexpr std::size_t kAffinitySlack = 2;

Task<> run(std::shared_ptr<Runner> runner) {
    co_await runner->run();
}

// splitmix64's finalizer: spreads neighbouring numbers.
std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace

Reconciler::Reconciler(Deps deps, Runner::Settings settings, DeploymentId id, std::vector<Runner::Adopted> adopted)
    : deps_(deps),
      settings_(std::move(settings)),
      id_(std::move(id)),
      adopted_(std::move(adopted)),
      loops_(deps.executor),
      changed_(deps.executor),
      settled_(deps.executor) {}

void Reconciler::poke() {
    ++version_;
    changed_.notify();
}

void Reconciler::retry() {
    unloaded_ = false;
    for (const auto& runner : runners_)
        runner->retry();
    poke();
}

void Reconciler::restart() {
    ++generation_;
    happened("changed", "a restart is wanted", std::nullopt);
    retry();
}

void Reconciler::finish(Runner::Leave leave) {
    finishing_ = leave;
    poke();
}

Task<> Reconciler::ended() {
    while (!ended_)
        co_await wait_settled(settlements_);
}

void Reconciler::runner_changed() {
    untold_ = true;
    poke();
}

void Reconciler::runner_failed(std::string what, bool gave_up) {
    last_error_ = std::move(what);
    if (!gave_up) ++more_restarts_;
    untold_ = true;
    poke();
}

void Reconciler::happened(std::string_view kind, std::string reason, std::optional<InstanceId> instance) {
    happened_.push_back({.instance_id = instance ? std::optional(instance->str()) : std::nullopt,
                         .kind = std::string(kind),
                         .reason = std::move(reason),
                         .time = now()});
}

bool Reconciler::has_others(const Runner& runner) const {
    return std::ranges::any_of(runners_, [&](const auto& r) { return r.get() != &runner && r->takes_requests(); });
}

bool Reconciler::keeps_log(const Runner& runner) const {
    return !runners_.empty() && runners_.front().get() == &runner;
}

Task<> Reconciler::run() {
    while (!(finishing_ && runners_.empty() && adopted_.empty())) {
        seen_ = version_;
        std::exception_ptr failure;
        try {
            co_await turn();
        } catch (const Error&) {
            failure = std::current_exception();
        }
        if (failure) {  // the database, mostly: the next turn begins with what is true then
            log::error("a deployment's step failed", {{"deployment", id_.str()}, {"error", describe(failure)}});
            co_await changed_or_late(settings_.pace.first_delay);
        }
    }
    co_await loops_.wait();
    ended_ = true;
    ++settlements_;
    settled_.notify();
}

Task<> Reconciler::turn() {
    const auto row = co_await deps_.store.find(id_);
    if (row) may_unload_ = !row->pinned && (row->on_demand || row->idle_unload_seconds > 0);
    if (row) begin(std::exchange(adopted_, {}), *row);
    if (!row) adopted_.clear();
    drop_ended();
    const bool wanted = row && row->desired == Desired::running && !finishing_ && !unloaded_;
    if (wanted) {
        arrange(*row);
    } else {
        dismiss();
    }
    if (row) co_await tell(*row, wanted);
    ++settlements_;
    settled_.notify();
    if (row && wanted && idle_too_long(*row)) {
        unloaded_ = true;
        happened("unloaded", fmt::format("no request for {} s", row->idle_unload_seconds), std::nullopt);
        co_return;
    }
    if (!(finishing_ && runners_.empty())) co_await changed_or_late(row ? next_look(*row) : kForever);
}

void Reconciler::begin(std::vector<Runner::Adopted> adopted, const Deployment& row) {
    const std::string spec = spec_of(row);
    if (!spec_.empty() && spec_ != spec) {
        ++generation_;
        happened("changed", "other settings are wanted", std::nullopt);
    }
    spec_ = spec;
    for (Runner::Adopted& engine : adopted) {
        // What an older version of this program started has no spec: nothing says that it differs.
        const bool same = engine.row.spec.empty() || engine.row.spec == spec_;
        add(row, same ? generation_ : 0, std::move(engine));
    }
}

void Reconciler::add(const Deployment& row, std::uint64_t generation, std::optional<Runner::Adopted> adopted) {
    const auto runner = std::make_shared<Runner>(
        Runner::Deps{deps_.executor, deps_.store, deps_.models, deps_.files, deps_.engine, deps_.memory, *this},
        settings_, row, generation, std::move(adopted));
    runners_.push_back(runner);
    loops_.spawn("engine", deployments::run(runner));
}

// Old instances answer until new ones do, where there is room for one more; then they finish what they have begun.
void Reconciler::arrange(const Deployment& row) {
    Runners current, old;
    for (const auto& runner : runners_) {
        if (!runner->leaving()) (runner->generation() == generation_ ? current : old).push_back(runner);
    }
    const auto target = static_cast<std::size_t>(row.replicas);
    std::erase_if(old, [](const auto& runner) {
        if (!runner->takes_requests()) runner->finish(Runner::Leave::stopped);
        return runner->leaving();
    });
    // Those that don't answer go first.
    std::ranges::partition(current, [](const auto& runner) { return runner->takes_requests(); });
    for (; current.size() > target; current.pop_back())
        current.back()->drain(settings_.pace.replace_drain);
    if (old.empty()) no_surge_ = false;
    for (const auto& runner : current) {
        if (old.empty() || runner->failure() != ErrorCode::insufficient_memory) continue;
        no_surge_ = true;
        runner->finish(Runner::Leave::stopped);
    }
    std::size_t serving = old.size() + static_cast<std::size_t>(std::ranges::count_if(
                                           current, [](const auto& runner) { return runner->takes_requests(); }));
    for (; !old.empty() && serving > target; --serving, old.pop_back())
        old.back()->drain(settings_.pace.replace_drain);

    const bool surge = !row.port && !no_surge_ && deps_.engine && deps_.engine->descriptor().replicates;
    const std::size_t room = target + (!old.empty() && surge ? 1 : 0);
    const bool some_leave = std::ranges::any_of(runners_, [](const auto& runner) { return runner->leaving(); });
    if (current.size() < target && !surge && !old.empty() && !some_leave)
        old.back()->drain(settings_.pace.replace_drain);
    for (std::size_t count = current.size(); count < target && runners_.size() < room; ++count)
        add(row, generation_, std::nullopt);
}

void Reconciler::dismiss() {
    for (const auto& runner : runners_) {
        if (finishing_) {
            runner->finish(*finishing_);
        } else {
            runner->drain(settings_.pace.stop_drain);
        }
    }
}

void Reconciler::drop_ended() {
    std::erase_if(runners_, [](const auto& runner) { return runner->state() == State::ended; });
}

Status Reconciler::status_of(const Deployment& row, bool wanted) const {
    const auto is = [](State state) { return [state](const auto& runner) { return runner->state() == state; }; };
    if (!wanted) return runners_.empty() ? Status::stopped : row.status;
    if (std::ranges::any_of(runners_, is(State::ready))) return Status::running;
    const bool hopeless = std::ranges::all_of(
        runners_, [](const auto& r) { return r->state() == State::parked || r->state() == State::unhealthy; });
    return hopeless && !runners_.empty() ? Status::failed : Status::deploying;
}

// Writes what has changed, and tells it.
Task<> Reconciler::tell(const Deployment& row, bool wanted) {
    for (const auto& runner : runners_)
        if (runner->state() == State::ready) load_time_ = runner->load_time();
    status_ = status_of(row, wanted);
    if (finishing_ == Runner::Leave::running) co_return;
    DeploymentStore::Observation now{.status = status_of(row, wanted), .effective = {}, .last_error = {}};
    for (const auto& runner : std::views::reverse(runners_)) {
        if (!now.effective && runner->state() == State::ready) now.effective = runner->effective();
    }
    now.last_error = std::exchange(last_error_, std::nullopt);
    now.more_restarts = std::exchange(more_restarts_, 0);
    const bool differs =
        now.status != row.status || now.effective != row.effective || now.last_error || now.more_restarts;
    if (differs) co_await deps_.store.observe(id_, std::move(now));
    if (auto events = std::exchange(happened_, {}); !events.empty()) {
        co_await deps_.store.add_events(id_, events);
        for (const DeploymentEvent& event : events)
            publish_event(deps_.events, id_, event);
    }
    if (!std::exchange(untold_, false) && !differs) co_return;
    if (const auto seen = co_await deps_.store.find(id_)) publish_updated(deps_.events, *seen);
}

bool Reconciler::idle_too_long(const Deployment& row) const {
    if (row.idle_unload_seconds == 0 || runners_.empty()) return false;
    const auto time = Clock::now();
    return std::ranges::all_of(runners_, [&](const auto& runner) {
        return runner->state() == State::ready && runner->leases() == 0 &&
               time - runner->last_use() > std::chrono::seconds(row.idle_unload_seconds);
    });
}

milliseconds Reconciler::next_look(const Deployment& row) const {
    return row.idle_unload_seconds > 0 && !runners_.empty() ? settings_.pace.health_interval : kForever;
}

bool Reconciler::hopeless() const {
    return !runners_.empty() && std::ranges::all_of(runners_, [](const auto& runner) {
        return runner->state() == State::parked || runner->state() == State::unhealthy;
    });
}

LoadProgress Reconciler::progress() const {
    LoadProgress progress{.status = status_, .waiting = waiting_, .elapsed = {}, .expected = load_time_};
    for (const auto& runner : runners_) {
        if (runner->state() != State::starting) continue;
        const auto elapsed = duration_cast<milliseconds>(Clock::now() - runner->started());
        progress.elapsed = std::max(progress.elapsed.value_or(elapsed), elapsed);
    }
    return progress;
}

std::optional<InstanceActivity> Reconciler::activity(const InstanceId& instance) const {
    for (const auto& runner : runners_) {
        if (runner->instance() != instance) continue;
        const bool busy = !may_unload_ || runner->leases() > 0 || runner->state() != State::ready || runner->leaving();
        return InstanceActivity{.busy = busy,
                                .idle = duration_cast<milliseconds>(Clock::now() - runner->last_use()),
                                .load = runner->load_time()};
    }
    return std::nullopt;
}

bool Reconciler::unload(std::string reason) {
    const bool used = std::ranges::any_of(runners_, [](const auto& runner) { return runner->leases() > 0; });
    if (used || !may_unload_ || finishing_) return false;
    unloaded_ = true;
    happened("unloaded", std::move(reason), std::nullopt);
    poke();
    return true;
}

Task<> Reconciler::unloaded() {
    while (unloaded_ && !runners_.empty() && !ended_)
        co_await wait_settled(settlements_);
}

std::vector<std::shared_ptr<Upstream>> Reconciler::upstreams() const {
    std::vector<std::shared_ptr<Upstream>> all;
    for (const auto& runner : runners_)
        if (auto upstream = runner->upstream()) all.push_back(std::move(upstream));
    return all;
}

// Least busy, but requests that begin alike stay together: their instance has the beginning in its cache.
Runner* Reconciler::pick(std::uint64_t affinity) const {
    Runner* best = nullptr;
    Runner* preferred = nullptr;
    std::uint64_t highest = 0;
    for (std::size_t i = 0; i < runners_.size(); ++i) {
        Runner* const runner = runners_[i].get();
        if (!runner->takes_requests()) continue;
        const bool quieter = !best || runner->leases() < best->leases() ||
                             (runner->leases() == best->leases() && runner->last_use() < best->last_use());
        if (quieter) best = runner;
        // Rendezvous hashing: another replica moves only its share of the beginnings.
        const std::uint64_t weight = mixed(affinity + i * 0x9e3779b97f4a7c15u);
        if (affinity == 0 || (preferred && weight <= highest)) continue;
        preferred = runner;
        highest = weight;
    }
    return preferred && preferred->leases() <= best->leases() + kAffinitySlack ? preferred : best;
}

// What a client is told that has waited for long enough.
Error Reconciler::loading_error(const Deployment& row) const {
    const LoadProgress now = progress();
    const auto in_ms = [](const std::optional<milliseconds>& time) { return time ? time->count() : std::int64_t{-1}; };
    std::int64_t left = 5'000;
    if (now.elapsed && now.expected)
        left = std::clamp<std::int64_t>((*now.expected - *now.elapsed).count(), 1'000, 60'000);
    Details details{{"loading", true},
                    {"deployment", row.name},
                    {"state", std::string(name_of(now.status))},
                    {"requests_waiting", static_cast<std::int64_t>(now.waiting)}};
    if (now.elapsed) details.push_back({"elapsed_ms", in_ms(now.elapsed)});
    if (now.expected) details.push_back({"expected_ms", in_ms(now.expected)});
    return Error(ErrorCode::engine_unavailable,
                 Text::format("{} is still being loaded: try again", "{} 仍在加载，请稍后重试", row.name),
                 std::move(details))
        .with_retry_after(static_cast<int>((left + 999) / 1000));
}

Task<EngineLease> Reconciler::ensure_ready(Clock::time_point deadline, std::uint64_t affinity) {
    const std::shared_ptr<void> counted(&++waiting_, [](std::size_t* waiting) { --*waiting; });
    co_return co_await wait_ready(deadline, affinity);
}

Task<EngineLease> Reconciler::wait_ready(Clock::time_point deadline, std::uint64_t affinity) {
    bool tried = false;
    while (true) {
        const std::uint64_t seen = settlements_;
        const auto row = co_await deps_.store.find(id_);
        if (!row) fail(ErrorCode::deployment_not_found, "there is no deployment {}", "部署 {} 不存在", id_.str());
        if (row->desired == Desired::stopped && row->on_demand && !finishing_) {
            co_await deps_.store.run_on_demand(id_);
            retry();
            continue;
        }
        if (row->desired == Desired::stopped || finishing_) {
            fail(ErrorCode::state_conflict, "the deployment {} is stopped: start it first", "部署 {} 已停止，请先启动",
                 row->name);
        }
        if (std::exchange(unloaded_, false)) poke();
        if (Runner* const runner = pick(affinity)) co_return runner->lease();
        const bool no_room = hopeless() && runners_.front()->failure() == ErrorCode::insufficient_memory;
        // Others may have gone since it was refused.
        if (no_room && !std::exchange(tried, true)) {
            retry();
            continue;
        }
        if (no_room) {
            throw Error(ErrorCode::insufficient_memory,
                        Text::format("there is not enough memory for {}", "内存不足，无法运行 {}", row->name),
                        {{"last_error", last_error_.value_or(row->last_error.value_or(""))}})
                .with_retry_after(10);
        }
        if (hopeless()) {
            throw Error(ErrorCode::engine_failed,
                        Text::format("the engine of {} keeps failing", "部署 {} 的引擎反复失败", row->name),
                        {{"last_error", last_error_.value_or(row->last_error.value_or(""))}});
        }
        const auto left = duration_cast<milliseconds>(deadline - Clock::now());
        if (left <= milliseconds(0)) throw loading_error(*row);
        co_await race(wait_settled(seen), sleep_for(left));
    }
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

std::optional<EngineLease> Reconciler::lease_if_ready(std::uint64_t affinity) {
    // A wish that the loop has not seen yet may be to stop.
    if (finishing_ || unloaded_ || version_ != seen_) return std::nullopt;
    Runner* const runner = pick(affinity);
    return runner ? std::optional(runner->lease()) : std::nullopt;
}

}  // namespace llmm::deployments
