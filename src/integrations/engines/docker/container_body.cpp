#include "integrations/engines/docker/docker_engine.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;

namespace llmm::engines::docker {
namespace {

constexpr std::string_view kInstanceLabel = "io.llm-manager.instance";
constexpr std::string_view kDeploymentLabel = "io.llm-manager.deployment";
constexpr std::string_view kHomeLabel = "io.llm-manager.home";

json::array strings(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts)
        array.emplace_back(text);
    return array;
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> items;
    for (std::size_t start = 0; start <= list.size();) {
        const auto end = std::min(list.find(',', start), list.size());
        items.push_back(list.substr(start, end - start));
        start = end + 1;
    }
    return items;
}

// Count and DeviceIDs exclude each other.
json::array device_requests(const ContainerOrder& container) {
    if (!container.engine.uses_gpus() || container.order.gpu_device == "cpu") return {};
    // A list of lists: any of them, all of each. In braces the outer list would vanish.
    json::array capabilities;
    capabilities.emplace_back(json::array{"gpu"});
    json::object request{{"Driver", "nvidia"}, {"Capabilities", std::move(capabilities)}};
    if (container.order.gpu_device == "auto") {
        request["Count"] = -1;
    } else {
        request["DeviceIDs"] = strings(split(container.order.gpu_device));
    }
    return {std::move(request)};
}

json::array mounts(const ContainerOrder& container) {
    json::array list;
    for (const auto& [source, target] : container.files) {
        list.push_back(json::object{
            {"Type", "bind"}, {"Source", source.native()}, {"Target", "/models/" + target}, {"ReadOnly", true}});
    }
    return list;
}

json::array environment(const ContainerOrder& container) {
    // Nothing is fetched from inside, and what is written goes to the only place that can be written.
    json::array list{"HOME=/tmp", "HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1"};
    for (const auto& [name, value] : container.engine.environment())
        list.emplace_back(name + "=" + value);
    if (!container.key.empty()) list.emplace_back(container.engine.key_variable() + "=" + container.key);
    return list;
}

}  // namespace

std::string container_body(const ContainerOrder& container) {
    const EngineTemplate& engine = container.engine;
    const std::string port = fmt::format("{}/tcp", engine.port());
    const std::string host_port = container.order.port ? std::to_string(*container.order.port) : "";
    const TemplateValues values{
        .model = container.model, .name = container.order.name, .port = engine.port(), .address = "0.0.0.0"};
    json::object host{
        {"Mounts", mounts(container)},
        {"PortBindings",
         json::object{{port, json::array{json::object{{"HostIp", "127.0.0.1"}, {"HostPort", host_port}}}}}},
        {"CapDrop", json::array{"ALL"}},
        {"SecurityOpt", json::array{"no-new-privileges:true"}},
        {"ReadonlyRootfs", true},
        {"Tmpfs", json::object{{"/tmp", "mode=1777"}}},
        {"PidsLimit", engine.pids()},
        {"RestartPolicy", json::object{{"Name", "no"}}},
        {"LogConfig",
         json::object{{"Type", "json-file"}, {"Config", json::object{{"max-size", "20m"}, {"max-file", "3"}}}}},
        {"DeviceRequests", device_requests(container)}};
    if (engine.memory_bytes() > 0) host["Memory"] = engine.memory_bytes();
    if (engine.shared_memory_bytes() > 0) host["ShmSize"] = engine.shared_memory_bytes();
    json::object body{{"Image", engine.image()},
                      {"Cmd", strings(engine.arguments(values, container.order.config))},
                      {"User", fmt::format("{}:{}", container.user, container.group)},
                      {"Env", environment(container)},
                      {"ExposedPorts", json::object{{port, json::object{}}}},
                      {"Labels", json::object{{kInstanceLabel, container.order.instance},
                                              {kDeploymentLabel, container.order.deployment},
                                              {kHomeLabel, container.home_label}}},
                      {"HostConfig", std::move(host)}};
    if (!engine.entrypoint().empty()) body["Entrypoint"] = strings(engine.entrypoint());
    return json::serialize(body);
}

}  // namespace llmm::engines::docker
