#include "features/deployments/deployment_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::deployments {
namespace {

namespace llama_server = engines::llama_server;

constexpr std::int64_t kLongestIdle = 604'800;  // a week
constexpr std::size_t kLongestName = 63;
constexpr std::size_t kLongestRef = 1024;

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
                        {"endpoint", instance.endpoint},
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
    if (given("model_id") == given("ref")) {
        in.add_problem("model_id", {"give model_id or ref, not both", "请提供 model_id 或 ref 之一"});
    }
    request.name = in.string("name", {.min_length = 1, .max_length = kLongestName}).value_or("");
    request.engine = in.choice("engine", {"auto", "llama-server"}).value_or("auto");
    request.gpu_device = in.string("gpu_device", {.min_length = 1, .max_length = 128}).value_or("auto");
    if (const auto port = in.integer("port", {.min = 1024, .max = 65'535})) request.port = static_cast<int>(*port);
    request.replicas = static_cast<int>(in.integer("replicas", {.min = 1, .max = 16}).value_or(1));
    request.config = config_text(in).value_or("{}");
    request.auto_start = in.boolean("auto_start").value_or(true);
    request.idle_unload_seconds = in.integer("idle_unload_seconds", {.min = 0, .max = kLongestIdle}).value_or(0);
    in.finish();
    return request;
}

DeploymentChanges parse_changes(const json::value& body) {
    ObjectReader in(body);
    DeploymentChanges changes{
        .name = in.string("name", {.min_length = 1, .max_length = kLongestName}),
        .config = config_text(in),
        .idle_unload_seconds = in.integer("idle_unload_seconds", {.min = 0, .max = kLongestIdle})};
    if (body.is_object() && body.get_object().empty()) {
        in.add_problem("", {"changes nothing", "没有任何修改"},
                       {"name, config, idle_unload_seconds", "name, config, idle_unload_seconds"});
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
        {"replicas", deployment.replicas},
        {"idle_unload_seconds", deployment.idle_unload_seconds},
        {"last_error", deployment.last_error ? json::value(valid_utf8(*deployment.last_error)) : json::value(nullptr)},
        {"restarts", deployment.restarts},
        {"container_id", nullptr},
        {"instances", std::move(instances)},
        {"memory", json::object{{"estimated_bytes", nullptr}, {"measured_bytes", or_null(measured_bytes(deployment))}}},
        {"created_at", to_rfc3339(deployment.created_at)},
        {"updated_at", to_rfc3339(deployment.updated_at)}};
}

json::value to_json(const EngineInfo& engine, bool chinese) {
    json::value reason;
    if (engine.reason) reason = chinese ? engine.reason->zh : engine.reason->en;
    return json::object{{"name", engine.name},
                        {"available", !engine.reason.has_value()},
                        {"version", or_null(engine.version)},
                        {"reason", std::move(reason)},
                        {"formats", json::value_from(engine.formats)}};
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

void check_config(const std::string& config) {
    Details problems = llama_server::validate(parse_own_json(config));
    if (problems.empty()) return;
    for (Detail& problem : problems)
        problem.name.insert(0, problem.name.empty() ? "config" : "config.");
    throw Error(ErrorCode::validation_failed,
                Text{"some options of the engine are not as described", "部分引擎参数不符合要求"}, std::move(problems));
}

engines::OptionValues engine_options(const std::string& config, const std::string& gpu_device) {
    json::value options = parse_own_json(config);
    if (gpu_device == "cpu") options.as_object()["gpu_layers"] = 0;
    return llama_server::parse_options(options);
}

Task<std::string> read_effective(Upstream& engine) {
    const json::object reported = co_await llama_server::effective(engine);
    const auto value = [&reported](std::string_view name) {
        const json::value* found = reported.if_contains(name);
        return found ? *found : json::value(nullptr);
    };
    const json::value per_slot = value("context_size");
    const json::value parallel = value("parallel");
    json::value total;
    if (per_slot.is_int64() && parallel.is_int64()) total = per_slot.get_int64() * parallel.get_int64();
    json::object effective{{"context_size", std::move(total)},
                           {"context_per_slot", per_slot},
                           {"parallel", parallel},
                           {"engine_version", value("build")},
                           {"model_file", value("model_file")},
                           {"chat_template_sha256", value("chat_template_sha256")}};
    const json::value can_read = value("modalities");
    if (const json::object* modalities = can_read.if_object()) {
        for (const auto& [name, supported] : *modalities) {
            if (supported.is_bool()) effective[name] = supported;
        }
    }
    co_return json::serialize(effective);
}

void publish_created(EventBus& events, const Deployment& deployment) {
    events.publish(kTopic, "created", to_json(deployment));
}

void publish_updated(EventBus& events, const Deployment& deployment) {
    events.publish(kTopic, "updated", to_json(deployment));
}

void publish_deleted(EventBus& events, const DeploymentId& id) {
    events.publish(kTopic, "deleted", json::object{{"id", id.str()}});
}

}  // namespace llmm::deployments
