#include "features/system/system_json.hpp"

#include <boost/json.hpp>

namespace llmm::system {

namespace json = boost::json;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

json::value memory_json(const std::optional<hardware::Ram>& ram) {
    if (!ram) return json::object{{"total", nullptr}, {"available", nullptr}, {"used", nullptr}, {"limited", nullptr}};
    return json::object{{"total", ram->total},
                        {"available", ram->available},
                        {"used", ram->total - ram->available},
                        {"limited", ram->limited}};
}

json::value network_json(const std::optional<Network>& network) {
    if (!network) return nullptr;
    return json::object{{"received", network->total.received},
                        {"sent", network->total.sent},
                        {"received_per_second", or_null(network->received_per_second)},
                        {"sent_per_second", or_null(network->sent_per_second)}};
}

json::object engine_json(const EngineUse& use) {
    return {{"deployment_id", use.deployment_id},   {"deployment", use.deployment}, {"engine", use.engine},
            {"instance_id", use.instance_id},       {"pid", or_null(use.pid)},      {"memory", or_null(use.memory)},
            {"gpu_memory", or_null(use.gpu_memory)}};
}

}  // namespace

json::object to_json(const hardware::Gpu& gpu) {
    return {{"vendor", name_of(gpu.vendor)},
            {"index", gpu.index},
            {"uuid", or_null(gpu.uuid)},
            {"name", gpu.name},
            {"driver", or_null(gpu.driver)},
            {"memory_total", or_null(gpu.memory_total)},
            {"memory_used", or_null(gpu.memory_used)},
            {"memory_free", or_null(gpu.memory_free)},
            {"usage_percent", or_null(gpu.usage_percent)},
            {"temperature_celsius", or_null(gpu.temperature_celsius)},
            {"power_watts", or_null(gpu.power_watts)}};
}

json::object to_json(const Resources& now, std::span<const EngineUse> engines, double uptime_seconds) {
    json::array disks, gpus, uses;
    for (const Disk& disk : now.disks) {
        disks.push_back(json::object{{"path", disk.mount_point},
                                     {"total", disk.total},
                                     {"free", disk.free},
                                     {"data_directory", disk.has_data_directory}});
    }
    for (const hardware::Gpu& gpu : now.gpus)
        gpus.push_back(to_json(gpu));
    for (const EngineUse& use : engines)
        uses.push_back(engine_json(use));
    return {
        {"cpu", {{"cores", now.cores}, {"usage_percent", or_null(now.cpu_percent)}, {"load_1m", or_null(now.load_1m)}}},
        {"memory", memory_json(now.memory)},
        {"process",
         {{"rss", or_null(now.process_rss)},
          {"open_files", or_null(now.open_files)},
          {"threads", or_null(now.threads)},
          {"uptime_seconds", uptime_seconds}}},
        {"disks", std::move(disks)},
        {"network", network_json(now.network)},
        {"gpus", std::move(gpus)},
        {"engines", std::move(uses)}};
}

json::object to_json(Metric metric, std::span<const HistoryPoint> points) {
    json::array list;
    for (const HistoryPoint& point : points)
        list.push_back(json::object{{"time", to_rfc3339(point.time)}, {"value", or_null(point.value)}});
    return {{"metric", name_of(metric)},
            {"unit", unit_of(metric)},
            {"interval_seconds", History::kInterval.count()},
            {"points", std::move(list)}};
}

json::object to_json(const Check& check) {
    return {{"name", check.name}, {"ok", check.ok}, {"reason", or_null(check.reason)}};
}

}  // namespace llmm::system
