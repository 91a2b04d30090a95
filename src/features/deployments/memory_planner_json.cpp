#include "features/deployments/memory_planner_json.hpp"

#include "base/json/json.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {

namespace json = boost::json;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

json::object bytes_json(const Bytes& bytes) {
    json::object object;
    for (const auto& [device, amount] : bytes)
        object[device] = amount;
    return object;
}

const std::string& in(const Text& text, bool chinese) {
    return chinese ? text.zh : text.en;
}

}  // namespace

std::string with_context_size(const std::string& config, std::int64_t tokens) {
    json::value changed = parse_json(config);
    changed.as_object()["context_size"] = tokens;
    return json::serialize(changed);
}

json::object to_json(const MemoryPlan& plan, bool chinese) {
    json::array terms, memory, obstacles, evictions, ways;
    for (const engines::MemoryTerm& term : plan.estimate.terms) {
        terms.push_back(json::object{{"name", term.name},
                                     {"place", engines::name_of(term.place)},
                                     {"bytes", or_null(term.bytes)},
                                     {"how", in(term.how, chinese)}});
    }
    for (const DeviceMemory& device : plan.memory) {
        memory.push_back(json::object{{"device", device.device},
                                      {"name", device.name},
                                      {"total", or_null(device.total)},
                                      {"free", or_null(device.free)},
                                      {"available", or_null(device.unspoken)}});
    }
    for (const Shortage& shortage : plan.shortages) {
        obstacles.push_back(json::object{{"code", "INSUFFICIENT_MEMORY"},
                                         {"device", shortage.device},
                                         {"needed_bytes", shortage.needed},
                                         {"free_bytes", shortage.free}});
    }
    for (const Eviction& eviction : plan.evictions) {
        evictions.push_back(json::object{{"deployment_id", eviction.deployment.str()},
                                         {"name", eviction.name},
                                         {"bytes", bytes_json(eviction.bytes)},
                                         {"score", eviction.score}});
    }
    for (const WayOut& way : plan.ways_out) {
        ways.push_back(json::object{
            {"kind", way.kind}, {"value", way.value}, {"bytes", way.bytes}, {"text", in(way.text, chinese)}});
    }
    return {
        {"devices", json::value_from(plan.devices)},
        {"fits", plan.known    ? json::value(plan.fits() || !plan.evictions.empty())
                 : plan.fits() ? json::value(nullptr)
                               : json::value(false)},
        {"estimated_bytes", plan.known ? json::value(plan.estimate.at_least(engines::Place::host) +
                                                     plan.estimate.at_least(engines::Place::gpu))
                                       : json::value(nullptr)},
        {"at_least_bytes", plan.estimate.at_least(engines::Place::host) + plan.estimate.at_least(engines::Place::gpu)},
        {"reclaimable_bytes", plan.estimate.reclaimable},
        {"measured_bytes", or_null(plan.measured)},
        {"needs", bytes_json(plan.needs)},
        {"terms", std::move(terms)},
        {"memory", std::move(memory)},
        {"obstacles", std::move(obstacles)},
        {"would_evict", std::move(evictions)},
        {"would_fit", std::move(ways)}};
}

}  // namespace llmm::deployments
