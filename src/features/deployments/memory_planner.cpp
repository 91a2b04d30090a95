#include "features/deployments/memory_planner.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/deployments/deployment_store.hpp"
#include "features/deployments/memory_planner_json.hpp"
#include "features/models/model_ref.hpp"
#include "features/models/model_service.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

namespace llama_server = engines::llama_server;
using engines::Place;
using hardware::Gpu;

constexpr std::int64_t kLeastContext = 512;
constexpr std::size_t kMostWaysOut = 4;
// Who was chosen may have become busy meanwhile; then others are looked for.
constexpr int kMostEvictionRounds = 3;

// Which GPUs a deployment names: "auto" the one with most free memory, "0,1" by index, a UUID. Empty: the processor.
std::vector<Gpu> chosen_gpus(const std::string& device, std::vector<Gpu> gpus) {
    if (device == "cpu" || gpus.empty()) return {};
    if (device == "auto") {
        const auto best =
            std::ranges::max_element(gpus, {}, [](const Gpu& gpu) { return gpu.memory_free.value_or(0); });
        return {*best};
    }
    std::vector<Gpu> chosen;
    for (std::string_view rest = device; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        for (const Gpu& gpu : gpus)
            if (gpu.uuid == word || std::to_string(gpu.index) == word) chosen.push_back(gpu);
    }
    return chosen;
}

std::string device_of(const Gpu& gpu) {
    return gpu.uuid.value_or(fmt::format("{}-{}", hardware::name_of(gpu.vendor), gpu.index));
}

std::uint64_t without_weights(std::int64_t measured, const engines::MemoryEstimate& estimate) {
    auto left = static_cast<std::uint64_t>(std::max<std::int64_t>(0, measured));
    for (const engines::MemoryTerm& term : estimate.terms)
        if (term.name == "weights" && term.place == Place::host) left -= std::min(left, term.bytes.value_or(0));
    return left;
}

std::string joined(const std::vector<std::string>& devices) {
    return fmt::format("{}", fmt::join(devices, ","));
}

}  // namespace

struct MemoryPlanner::Facts {
    std::vector<std::string> devices;
    engines::MemoryEstimate estimate;
    std::string settings;  // empty: an engine without a formula
    std::optional<MemoryPeak> peak;
    Bytes needs;
    bool known = false;
};

// Read from the files each time: they are the truth, and their headers are short.
Task<std::optional<llama_server::ModelShape>> MemoryPlanner::shape_of(ModelId model) {
    try {
        const auto headers = co_await deps_.models.gguf_headers(model);
        if (!headers.empty()) co_return llama_server::shape_of(headers);
    } catch (const Error& error) {
        log::debug("a model's header can't be read", {{"model", model.str()}, {"error", error.what()}});
    }
    co_return std::nullopt;
}

std::optional<llama_server::MemorySettings> MemoryPlanner::settings_of(const Deployment& wanted, bool has_gpu) const {
    const engines::Engine* engine = deps_.engines.find(wanted.engine);
    return engine ? engine->memory_settings(wanted.config, wanted.gpu_device, has_gpu) : std::nullopt;
}

Task<MemoryPlanner::Facts> MemoryPlanner::facts(Deployment wanted, std::vector<Gpu> gpus,
                                                std::optional<llama_server::ModelShape> shape) {
    const bool seen = !shape;
    Facts facts;
    const std::vector<Gpu> chosen = chosen_gpus(wanted.gpu_device, std::move(gpus));
    const auto settings = settings_of(wanted, !chosen.empty());
    const bool on_gpu = settings && settings->gpu_layers > 0;
    if (on_gpu) std::ranges::transform(chosen, std::back_inserter(facts.devices), device_of);
    if (!on_gpu) facts.devices.emplace_back(kRam);
    if (settings && seen) shape = co_await shape_of(wanted.model_id);
    if (!settings || !shape) co_return facts;
    facts.settings = settings->key();
    facts.estimate = llama_server::estimate_memory(*shape, *settings);
    if (seen)
        facts.peak = co_await deps_.peaks.find(wanted.model_id, wanted.engine, facts.settings, joined(facts.devices));
    facts.known = facts.estimate.is_known() || (facts.peak && (!on_gpu || facts.peak->gpu));

    std::uint64_t host = facts.estimate.at_least(Place::host), gpu = facts.estimate.at_least(Place::gpu);
    if (facts.peak) {
        // The peak counts pages that the kernel may drop at any time.
        const auto resident = static_cast<std::uint64_t>(facts.peak->resident);
        host = resident - std::min(resident, facts.estimate.reclaimable);
        if (facts.peak->gpu) gpu = static_cast<std::uint64_t>(*facts.peak->gpu);
    }
    facts.needs[std::string(kRam)] = host;
    if (on_gpu)
        for (const std::string& device : facts.devices)
            facts.needs[device] = gpu / facts.devices.size();
    co_return facts;
}

Task<std::vector<Reservation>> MemoryPlanner::reservations(std::vector<Gpu> gpus) {
    std::vector<Reservation> all;
    std::vector<pid_t> pids;
    for (const Deployment& deployment : co_await deps_.deployments.all()) {
        std::optional<Facts> calculated;
        for (const Instance& instance : deployment.instances) {
            Reservation reservation{.instance = instance.id,
                                    .deployment = deployment.id,
                                    .name = deployment.name,
                                    .bytes = {},
                                    .taken = {}};
            if (const auto known = admitted_.find(instance.id); known != admitted_.end()) {
                reservation.bytes = known->second;
            } else {
                if (!calculated) calculated = co_await facts(deployment, gpus);
                reservation.bytes = calculated->needs;
            }
            if (!instance.process && instance.memory_bytes) {
                // A container tells the sum: what is more than the weights is no mapped page.
                if (!calculated) calculated = co_await facts(deployment, gpus);
                reservation.taken[std::string(kRam)] = without_weights(*instance.memory_bytes, calculated->estimate);
            }
            const auto now = activity ? activity(deployment.id, instance.id) : std::nullopt;
            reservation.may_go = now && !now->busy;
            if (now) {
                reservation.idle = now->idle;
                reservation.load = now->load;
            }
            all.push_back(std::move(reservation));
            pids.push_back(instance.process ? instance.process->pid : -1);
        }
    }
    // Let in, but without a row yet.
    for (const auto& [instance, bytes] : admitted_) {
        const bool listed =
            std::ranges::any_of(all, [&](const Reservation& other) { return other.instance == instance; });
        if (listed) continue;
        all.push_back(
            {.instance = instance, .deployment = DeploymentId::trusted(""), .name = {}, .bytes = bytes, .taken = {}});
        pids.push_back(-1);
    }
    co_await deps_.files.run([&] {
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (pids[i] <= 0) continue;
            // Mapped pages of the weights still count as available: only anonymous memory is gone for others.
            const auto memory = hardware::read_process_memory(pids[i], false);
            if (memory) all[i].taken[std::string(kRam)] = memory->anonymous.value_or(0);
            const pid_t pid[] = {pids[i]};
            for (const auto& [device, bytes] : deps_.gpus.memory_of(pid))
                all[i].taken[device] = bytes;
        }
    });
    co_return all;
}

Task<MemoryPlan> MemoryPlanner::plan(Deployment wanted) {
    return plan(std::move(wanted), std::nullopt);
}

Task<MemoryPlan> MemoryPlanner::plan_unseen(llama_server::ModelShape shape, std::string engine) {
    const DeploymentId none = DeploymentId::trusted("");
    return plan({.id = none,
                 .model_id = ModelId::trusted(""),
                 .model_ref = {},
                 .name = {},
                 .engine = std::move(engine),
                 .engine_reason = {},
                 .status = Status::stopped,
                 .desired = Desired::stopped,
                 .port = {},
                 .gpu_device = "auto",
                 .config = "{}",
                 .effective = {},
                 .replicas = 1,
                 .idle_unload_seconds = 0,
                 .last_error = {},
                 .restarts = 0,
                 .instances = {},
                 .created_at = {},
                 .updated_at = {}},
                std::move(shape));
}

Task<MemoryPlan> MemoryPlanner::plan(Deployment wanted, std::optional<llama_server::ModelShape> shape) {
    const bool seen = !shape;
    std::vector<Gpu> gpus;
    std::optional<hardware::Ram> ram;
    co_await deps_.files.run([&] { gpus = deps_.gpus.read(); });
    Facts facts = co_await this->facts(wanted, gpus, std::move(shape));
    std::vector<Reservation> others = co_await reservations(gpus);
    // A new instance does not end the old one, which is replaced when the new one answers.
    for (Reservation& other : others)
        if (other.deployment == wanted.id) other.may_go = false;
    co_await deps_.files.run([&] {
        ram = hardware::read_ram(deps_.kernel);
        gpus = deps_.gpus.read();
    });

    MemoryPlan plan{.devices = std::move(facts.devices),
                    .estimate = std::move(facts.estimate),
                    .measured = {},
                    .needs = std::move(facts.needs),
                    .known = facts.known,
                    .memory = {},
                    .shortages = {},
                    .evictions = {},
                    .ways_out = {}};
    if (facts.peak) plan.measured = static_cast<std::uint64_t>(facts.peak->resident);
    plan.memory.push_back({.device = std::string(kRam), .name = "RAM", .total = {}, .free = {}});
    if (ram) {
        plan.memory[0].total = ram->total;
        plan.memory[0].free = ram->available;
    }
    for (const Gpu& gpu : gpus)
        plan.memory.push_back(
            {.device = device_of(gpu), .name = gpu.name, .total = gpu.memory_total, .free = gpu.memory_free});
    for (DeviceMemory& device : plan.memory)
        if (device.free) device.unspoken = unspoken_memory(*device.free, device.device, others);
    plan.shortages = shortages(plan.needs, plan.memory, keep_free_);
    if (!plan.fits()) {
        plan.evictions = choose_evictions(plan.shortages, others);
        if (seen) plan.ways_out = co_await ways_out(wanted, plan, others);
    }
    co_return plan;
}

Task<std::vector<WayOut>> MemoryPlanner::ways_out(Deployment wanted, MemoryPlan plan, std::vector<Reservation> others) {
    std::vector<WayOut> ways;
    const auto gpus = co_await deps_.files.run([this] { return deps_.gpus.read(); });
    const auto fits = [&](const Facts& facts) {
        return facts.known && shortages(facts.needs, plan.memory, keep_free_).empty();
    };
    const auto sum = [](const Bytes& bytes) {
        std::uint64_t total = 0;
        for (const auto& [device, amount] : bytes)
            total += amount;
        return total;
    };
    const auto settings = settings_of(wanted, true);
    for (std::int64_t context = settings ? settings->context_size / 2 : 0; context >= kLeastContext; context /= 2) {
        Deployment smaller = wanted;
        smaller.config = with_context_size(wanted.config, context);
        const Facts facts = co_await this->facts(smaller, gpus);
        if (!fits(facts)) continue;
        ways.push_back({"context_size", std::to_string(context), sum(facts.needs),
                        Text::format("a context_size of {}", "将 context_size 设为 {}", context)});
        break;
    }
    for (const models::Model& other : co_await deps_.models.siblings(wanted.model_id)) {
        Deployment another = wanted;
        another.model_id = other.id;
        const Facts facts = co_await this->facts(another, gpus);
        if (!fits(facts) || ways.size() == kMostWaysOut) continue;
        ways.push_back({"quantization", other.ref, sum(facts.needs),
                        Text::format("{}, which is here too", "改用本地已有的 {}", other.ref)});
    }
    std::map<DeploymentId, Reservation> by_deployment;
    for (const Reservation& other : others) {
        if (other.name.empty() || other.deployment == wanted.id) continue;
        auto [place, added] = by_deployment.try_emplace(other.deployment, other);
        if (added) continue;
        for (const auto& [device, bytes] : other.bytes)
            place->second.bytes[device] += bytes;
    }
    for (const auto& [id, other] : by_deployment) {
        const bool enough = std::ranges::all_of(plan.shortages, [&](const Shortage& shortage) {
            const auto held = other.bytes.find(shortage.device);
            return held != other.bytes.end() && held->second >= shortage.missing();
        });
        if (!enough || ways.size() == kMostWaysOut) continue;
        ways.push_back({"stop", other.name, sum(other.bytes), Text::format("stop {}", "停止 {}", other.name)});
    }
    co_return ways;
}

Task<MemoryPlan> MemoryPlanner::admit(Deployment wanted, InstanceId instance) {
    // Between the last look at the others and the reservation nothing else may be let in: whoever comes meanwhile
    // makes us look again.
    for (int evictions = 0;;) {
        const std::size_t before = admissions_;
        MemoryPlan plan = co_await this->plan(wanted);
        if (before != admissions_) continue;
        if (!plan.fits() && !plan.evictions.empty() && evict && evictions++ < kMostEvictionRounds) {
            for (const Eviction& eviction : plan.evictions)
                co_await evict(eviction.deployment, fmt::format("its memory is needed for {}", wanted.name));
            continue;
        }
        if (!plan.fits()) throw insufficient_memory(wanted.name, plan);
        ++admissions_;
        admitted_[instance] = plan.needs;
        co_return plan;
    }
}

void MemoryPlanner::release(const InstanceId& instance) {
    admitted_.erase(instance);
    observed_.erase(instance);
}

Task<> MemoryPlanner::observe(Deployment deployment, InstanceId instance, pid_t pid, bool used) {
    if (!used) co_return;
    std::optional<hardware::ProcessMemory> memory;
    std::map<std::string, std::uint64_t> on_gpus;
    std::vector<Gpu> gpus;
    co_await deps_.files.run([&] {
        memory = hardware::read_process_memory(pid, false);
        const pid_t pids[] = {pid};
        on_gpus = deps_.gpus.memory_of(pids);
        gpus = deps_.gpus.read();
    });
    if (!memory || !memory->peak_resident) co_return;
    const auto resident = static_cast<std::int64_t>(*memory->peak_resident);
    if (const auto kept = observed_.find(instance); kept != observed_.end() && kept->second >= resident) co_return;
    const Facts facts = co_await this->facts(deployment, std::move(gpus));
    if (facts.settings.empty()) co_return;
    std::optional<std::int64_t> on_gpu;
    for (const auto& [device, bytes] : on_gpus)
        on_gpu = on_gpu.value_or(0) + static_cast<std::int64_t>(bytes);
    co_await deps_.peaks.keep(
        {deployment.model_id, deployment.engine, facts.settings, joined(facts.devices), resident, on_gpu});
    observed_[instance] = resident;
}

}  // namespace llmm::deployments
