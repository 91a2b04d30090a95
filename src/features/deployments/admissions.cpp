#include "features/deployments/admissions.hpp"

#include "features/deployments/deployment_json.hpp"

#include <algorithm>

namespace llmm::deployments {
namespace {

constexpr std::size_t kUnknownSlots = 256;  // of an engine that does not say how much it does at once

std::size_t slots_of(const Deployment& deployment) {
    if (deployment.effective) {
        const auto ready = std::ranges::count(deployment.instances, InstanceState::ready, &Instance::state);
        if (const auto slots = slots_in(*deployment.effective))
            return *slots * static_cast<std::size_t>(std::max<std::ptrdiff_t>(ready, 1));
    }
    if (const auto slots = slots_in(deployment.config)) return *slots;
    // An engine of ours tells when it is ready.
    return deployment.engine == "external" ? kUnknownSlots : 1;
}

}  // namespace

std::shared_ptr<Admission> Admissions::of(const Deployment& deployment) {
    const std::size_t slots = limits_.at_once > 0 ? limits_.at_once : slots_of(deployment);
    auto& door = doors_[deployment.id];
    if (!door) door = std::make_shared<Admission>(executor_, slots, limits_.waiting);
    door->set_at_once(slots);
    return door;
}

void Admissions::forget() {
    std::erase_if(doors_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace llmm::deployments
