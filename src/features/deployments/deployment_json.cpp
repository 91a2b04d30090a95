#include "features/deployments/deployment_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {
namespace {

constexpr std::int64_t kLongestIdle = 604'800;  // a week
constexpr std::size_t kLongestName = 63;
constexpr std::size_t kLongestRef = 1024;
constexpr std::int64_t kMostReplicas = 16;

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

// Printed by a program: bytes that are no UTF-8 would make the whole answer unreadable.
std::string valid_utf8(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80                   ? 1
                                   : lead >= 0xc2 && lead < 0xe0 ? 2
                                   : lead >= 0xe0 && lead < 0xf0 ? 3
                                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                                 : 0;
        bool valid = length > 0 && i + length <= text.size();
        for (std::size_t k = 1; valid && k < length; ++k)
            valid = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
        if (valid && length > 2) {  // overlong forms, surrogates, beyond U+10FFFF
            const auto second = static_cast<unsigned char>(text[i + 1]);
            valid = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f) &&
                    !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
        }
        result += valid ? text.substr(i, length) : std::string_view("\xef\xbf\xbd");
        i += valid ? length : 1;
    }
    return result;
}

json::value to_json(const Instance& instance) {
    return json::object{{"id", instance.id.str()},
                        {"pid", instance.process ? json::value(instance.process->pid) : json::value(nullptr)},
                        {"endpoint", instance.endpoint.empty() ? json::value(nullptr) : json::value(instance.endpoint)},
                        {"state", name_of(instance.state)},
                        {"started_at", to_rfc3339(instance.started_at)},
                        {"memory_bytes", or_null(instance.memory_bytes)}};
}

std::optional<std::int64_t> measured_bytes(const Deployment& deployment) {
    std::optional<std::int64_t> sum;
    for (const Instance& instance : deployment.instances) {
        if (instance.memory_bytes) sum = sum.value_or(0) + *instance.memory_bytes;
    }
    return sum;
}

json::array formats_json(const engines::EngineDescriptor& engine) {
    json::array formats;
    for (const std::string_view format : engine.formats)
        formats.emplace_back(format);
    return formats;
}

json::value default_json(const engines::OptionDefault& standard) {
    if (const auto* number = std::get_if<std::int64_t>(&standard)) return *number;
    if (const auto* flag = std::get_if<bool>(&standard)) return *flag;
    if (const auto* text = std::get_if<std::string_view>(&standard)) return json::value(*text);
    return nullptr;
}

// From which a form can be made.
json::array options_json(const engines::EngineDescriptor& engine, bool chinese) {
    using engines::OptionType;
    json::array options;
    for (const engines::EngineOption& option : engine.options) {
        const bool is_number = option.type == OptionType::integer;
        json::array choices;
        for (const std::string_view choice : option.choices)
            choices.emplace_back(choice);
        options.push_back(json::object{
            {"key", option.key},
            {"type", is_number                            ? "integer"
                     : option.type == OptionType::boolean ? "boolean"
                                                          : "choice"},
            {"default", default_json(option.standard)},
            {"min", is_number ? json::value(option.min) : json::value(nullptr)},
            {"max", is_number ? json::value(option.max) : json::value(nullptr)},
            {"choices", option.type == OptionType::choice ? json::value(std::move(choices)) : json::value(nullptr)},
            {"meaning", chinese ? option.meaning.zh : option.meaning.en}});
    }
    return options;
}

// What was asked for beside what the engine says that it runs with, where the two differ.
constexpr std::pair<std::string_view, std::string_view> kComparable[] = {
    {"context_size", "context_per_slot"}, {"parallel", "parallel"},         {"gpu_layers", "gpu_layers"},
    {"cache_type_k", "cache_type_k"},     {"cache_type_v", "cache_type_v"},
};

json::array drift_of(const Deployment& deployment) {
    json::array drift;
    if (!deployment.effective) return drift;
    const json::value requested = parse_own_json(deployment.config), effective = parse_own_json(*deployment.effective);
    if (!requested.is_object() || !effective.is_object()) return drift;
    for (const auto& [field, reported] : kComparable) {
        const json::value* wish = requested.as_object().if_contains(field);
        const json::value* truth = effective.as_object().if_contains(reported);
        if (!wish || !truth || truth->is_null() || *wish == *truth) continue;
        if (field == "gpu_layers" && *wish == json::value(-1)) continue;  // as many as fit
        drift.push_back(json::object{{"field", field}, {"requested", *wish}, {"effective", *truth}});
    }
    return drift;
}

json::value container_of(const Deployment& deployment) {
    for (const Instance& instance : deployment.instances) {
        if (!instance.container.empty()) return json::value(instance.container);
    }
    return nullptr;
}

std::optional<std::string> config_text(ObjectReader& in) {
    const json::value* config = in.object("config");
    return config ? std::optional(json::serialize(*config)) : std::nullopt;
}

}  // namespace

DeploymentRequest parse_request(const json::value& body) {
    ObjectReader in(body);
    DeploymentRequest request;
    if (const auto id = in.string("model_id", {.min_length = 1, .max_length = 36})) {
        request.model_id = ModelId::parse(*id);
        if (!request.model_id) in.add_problem("model_id", {"is not an id", "不是有效的编号"}, {"a UUID", "UUID"});
    }
    request.ref = in.string("ref", {.min_length = 3, .max_length = kLongestRef}).value_or("");
    const auto given = [&in](std::string_view name) { return in.has(name) && !in.is_null(name); };
    request.engine =
        in.choice("engine", {"auto", "llama-server", "docker", "process", "ollama", "external"}).value_or("auto");
    if (request.engine == "external" && (given("model_id") || given("ref"))) {
        in.add_problem("model_id", {"an external server has its own model: name it as config.model",
                                    "外部服务自带模型，请在 config.model 中指定"});
    } else if (request.engine != "external" && given("model_id") == given("ref")) {
        in.add_problem("model_id", {"give model_id or ref, not both", "请提供 model_id 或 ref 之一"});
    }
    request.name = in.string("name", {.min_length = 1, .max_length = kLongestName}).value_or("");
    request.gpu_device = in.string("gpu_device", {.min_length = 1, .max_length = 128}).value_or("auto");
    if (const auto port = in.integer("port", {.min = 1024, .max = 65'535})) request.port = static_cast<int>(*port);
    request.replicas = static_cast<int>(in.integer("replicas", {.min = 1, .max = kMostReplicas}).value_or(1));
    request.config = config_text(in).value_or("{}");
    request.auto_start = in.boolean("auto_start").value_or(true);
    request.idle_unload_seconds = in.integer("idle_unload_seconds", {.min = 0, .max = kLongestIdle}).value_or(0);
    request.pinned = in.boolean("pinned").value_or(false);
    in.finish();
    return request;
}

DeploymentChanges parse_changes(const json::value& body) {
    ObjectReader in(body);
    DeploymentChanges changes{
        .name = in.string("name", {.min_length = 1, .max_length = kLongestName}),
        .config = config_text(in),
        .idle_unload_seconds = in.integer("idle_unload_seconds", {.min = 0, .max = kLongestIdle})};
    if (const auto replicas = in.integer("replicas", {.min = 1, .max = kMostReplicas}))
        changes.replicas = static_cast<int>(*replicas);
    changes.on_demand = in.boolean("on_demand");
    changes.pinned = in.boolean("pinned");
    if (body.is_object() && body.get_object().empty()) {
        in.add_problem("", {"changes nothing", "没有任何修改"},
                       {"name, config, idle_unload_seconds, replicas, on_demand, pinned",
                        "name, config, idle_unload_seconds, replicas, on_demand, pinned"});
    }
    in.finish();
    return changes;
}

json::value to_json(const Deployment& deployment) {
    json::array instances;
    for (const Instance& instance : deployment.instances)
        instances.push_back(to_json(instance));
    return json::object{
        {"id", deployment.id.str()},
        {"model_id", deployment.model_id.str()},
        {"model_ref", deployment.model_ref},
        {"name", deployment.name},
        {"engine", deployment.engine},
        {"engine_reason",
         deployment.engine_reason.empty() ? json::value(nullptr) : json::value(deployment.engine_reason)},
        {"status", name_of(deployment.status)},
        {"desired", name_of(deployment.desired)},
        {"port", or_null(deployment.port)},
        {"gpu_device", deployment.gpu_device},
        {"config", parse_own_json(deployment.config)},
        {"effective", deployment.effective ? parse_own_json(*deployment.effective) : json::value(nullptr)},
        {"drift", drift_of(deployment)},
        {"replicas", deployment.replicas},
        {"idle_unload_seconds", deployment.idle_unload_seconds},
        {"on_demand", deployment.on_demand},
        {"pinned", deployment.pinned},
        {"last_error", deployment.last_error ? json::value(valid_utf8(*deployment.last_error)) : json::value(nullptr)},
        {"restarts", deployment.restarts},
        {"container_id", container_of(deployment)},
        {"instances", std::move(instances)},
        {"memory", json::object{{"estimated_bytes", or_null(deployment.memory_estimated)},
                                {"gpu_estimated_bytes", or_null(deployment.gpu_memory_estimated)},
                                {"measured_bytes", or_null(measured_bytes(deployment))}}},
        {"created_at", to_rfc3339(deployment.created_at)},
        {"updated_at", to_rfc3339(deployment.updated_at)}};
}

json::value to_json(const DeploymentEvent& event) {
    return json::object{{"kind", event.kind},
                        {"reason", event.reason.empty() ? json::value(nullptr) : json::value(valid_utf8(event.reason))},
                        {"instance_id", or_null(event.instance_id)},
                        {"time", to_rfc3339(event.time)}};
}

json::value to_json(const EngineInfo& engine, bool chinese) {
    json::value reason;
    const auto& found = engine.availability;
    if (found.reason) reason = chinese ? found.reason->zh : found.reason->en;
    json::array templates;
    for (const engines::EngineDescriptor& one : engine.engine->templates()) {
        templates.push_back(json::object{{"name", one.name},
                                         {"title", one.title},
                                         {"formats", formats_json(one)},
                                         {"options", options_json(one, chinese)}});
    }
    const engines::EngineDescriptor& descriptor = engine.engine->descriptor();
    return json::object{{"name", descriptor.name},
                        {"title", descriptor.title},
                        {"available", !found.reason.has_value()},
                        {"version", or_null(found.version)},
                        {"reason", std::move(reason)},
                        {"formats", formats_json(descriptor)},
                        {"options", options_json(descriptor, chinese)},
                        {"templates", std::move(templates)}};
}

std::string template_name(const std::string& config) {
    const json::object object = parse_own_json(config).as_object();
    const json::value* name = object.if_contains("template");
    return name && name->is_string() ? std::string(name->get_string()) : std::string();
}

std::optional<std::size_t> slots_in(const std::string& config) {
    const json::value value = parse_own_json(config);
    const json::value* slots = value.is_object() ? value.get_object().if_contains("parallel") : nullptr;
    if (!slots || !slots->is_int64() || slots->get_int64() < 1) return std::nullopt;
    return static_cast<std::size_t>(slots->get_int64());
}

std::string external_ref(const std::string& config) {
    const json::object object = parse_own_json(config).as_object();
    const json::value* model = object.if_contains("model");
    std::string ref = "external:" + std::string(object.at("url").as_string());
    if (model && model->is_string()) ref += ":" + std::string(model->get_string());
    return ref;
}

std::string external_name(const std::string& config) {
    const json::object object = parse_own_json(config).as_object();
    const json::value* model = object.if_contains("model");
    if (model && model->is_string()) return std::string(model->get_string());
    std::string url(object.at("url").as_string());
    return url.substr(url.find("//") + 2);
}

// Engines write both streams into one file, without a time of ours: what is not known is null.
json::value log_line_json(std::string_view text) {
    return json::object{{"instance_id", nullptr}, {"time", nullptr}, {"stream", "stderr"}, {"text", valid_utf8(text)}};
}

json::value to_json(const LogTail& tail) {
    json::array lines;
    for (const std::string& line : tail.lines)
        lines.push_back(log_line_json(line));
    return json::object{{"lines", std::move(lines)}, {"truncated", tail.truncated}};
}

void check_config(const engines::Engine& engine, const std::string& config) {
    Details problems = engine.check(config);
    if (problems.empty()) return;
    for (Detail& problem : problems)
        problem.name.insert(0, problem.name.empty() ? "config" : "config.");
    throw Error(ErrorCode::validation_failed,
                Text{"some options of the engine are not as described", "部分引擎参数不符合要求"}, std::move(problems));
}

void publish_created(EventBus& events, const Deployment& deployment) {
    events.publish(kTopic, "created", to_json(deployment));
}

void publish_updated(EventBus& events, const Deployment& deployment) {
    events.publish(kTopic, "updated", to_json(deployment));
}

void publish_event(EventBus& events, const DeploymentId& id, const DeploymentEvent& event) {
    json::object data = to_json(event).as_object();
    data["deployment_id"] = id.str();
    events.publish(kTopic, "happened", std::move(data));
}

void publish_deleted(EventBus& events, const DeploymentId& id) {
    events.publish(kTopic, "deleted", json::object{{"id", id.str()}});
}

}  // namespace llmm::deployments
