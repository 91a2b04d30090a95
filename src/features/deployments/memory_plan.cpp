#include "features/deployments/memory_plan.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

// An engine that loads in less than this counts as if it took this long.
constexpr double kLeastLoadSeconds = 0.1;

double score_of(const Reservation& reservation) {
    const double idle = std::chrono::duration<double>(reservation.idle).count();
    return idle / std::max(kLeastLoadSeconds, std::chrono::duration<double>(reservation.load).count());
}

std::uint64_t at(const Bytes& bytes, std::string_view device) {
    const auto found = bytes.find(std::string(device));
    return found == bytes.end() ? 0 : found->second;
}

std::string in_gb(std::uint64_t bytes) {
    return bytes < 100'000'000 ? fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6)
                               : fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

std::uint64_t unspoken_memory(std::uint64_t free_now, std::string_view device, std::span<const Reservation> others) {
    std::uint64_t spoken = 0;
    for (const Reservation& other : others) {
        const std::uint64_t reserved = at(other.bytes, device), taken = at(other.taken, device);
        if (reserved > taken) spoken += reserved - taken;
    }
    return free_now > spoken ? free_now - spoken : 0;
}

std::vector<Shortage> shortages(const Bytes& needs, std::span<const DeviceMemory> memory, std::uint64_t keep_free) {
    std::vector<Shortage> found;
    for (const auto& [device, needed] : needs) {
        const auto place = std::ranges::find(memory, device, &DeviceMemory::device);
        if (place == memory.end() || !place->unspoken) continue;  // not known: not refused
        const std::uint64_t free = *place->unspoken > keep_free ? *place->unspoken - keep_free : 0;
        if (needed > free) found.push_back({device, needed, free});
    }
    return found;
}

std::vector<Eviction> choose_evictions(std::span<const Shortage> missing, std::span<const Reservation> others) {
    // All instances of a deployment go together; one that is busy keeps the others.
    std::map<DeploymentId, Eviction> candidates;
    std::vector<DeploymentId> busy;
    for (const Reservation& other : others) {
        if (!other.may_go) {
            busy.push_back(other.deployment);
            continue;
        }
        const auto [place, added] = candidates.try_emplace(
            other.deployment,
            Eviction{.deployment = other.deployment, .name = other.name, .bytes = {}, .score = score_of(other)});
        Eviction& eviction = place->second;
        eviction.score = std::min(eviction.score, score_of(other));
        for (const auto& [device, bytes] : other.bytes)
            eviction.bytes[device] += bytes;
    }
    for (const DeploymentId& id : busy)
        candidates.erase(id);
    std::vector<Eviction> ordered;
    for (auto& [id, eviction] : candidates)
        ordered.push_back(std::move(eviction));
    std::ranges::sort(ordered, std::greater<>(), &Eviction::score);

    std::map<std::string, std::uint64_t> open;
    for (const Shortage& shortage : missing)
        open[shortage.device] = shortage.missing();
    std::vector<Eviction> chosen;
    for (Eviction& eviction : ordered) {
        bool helps = false;
        for (auto& [device, bytes] : open) {
            const std::uint64_t gain = std::min(bytes, at(eviction.bytes, device));
            helps = helps || gain > 0;
            bytes -= gain;
        }
        if (helps) chosen.push_back(std::move(eviction));
        if (std::ranges::all_of(open, [](const auto& pair) { return pair.second == 0; })) return chosen;
    }
    return {};
}

Error insufficient_memory(const std::string& name, const MemoryPlan& plan) {
    const Shortage& worst = *std::ranges::max_element(plan.shortages, {}, &Shortage::missing);
    const std::string device = worst.device == kRam ? "RAM" : worst.device;
    Text message = Text::format("{} needs {} of {}, {} are free", "{} 需要 {} 的 {}，可用 {}", name,
                                in_gb(worst.needed), device, in_gb(worst.free));
    std::vector<std::string> english;
    for (const WayOut& way : plan.ways_out) {
        message.en += (english.empty() ? ". It would fit: " : "; ") + way.text.en;
        message.zh += (english.empty() ? "。可行的办法：" : "；") + way.text.zh;
        english.push_back(fmt::format("{}={}", way.kind, way.value));
    }
    Details details{{"device", worst.device},
                    {"needed_bytes", static_cast<std::int64_t>(worst.needed)},
                    {"free_bytes", static_cast<std::int64_t>(worst.free)},
                    {"would_fit", std::move(english)}};
    for (const engines::MemoryTerm& term : plan.estimate.terms) {
        if (term.bytes && (term.place == engines::Place::host) == (worst.device == kRam))
            details.push_back({fmt::format("term.{}", term.name), static_cast<std::int64_t>(*term.bytes)});
    }
    return Error(ErrorCode::insufficient_memory, std::move(message), std::move(details));
}

}  // namespace llmm::deployments
