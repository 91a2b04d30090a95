#include "features/deployments/deployment_engine.hpp"

#include "base/crypto/digest.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

constexpr std::size_t kSpecLength = 16;

bool runs(const engines::Engine& engine, std::string_view format) {
    return std::ranges::find(engine.descriptor().formats, format) != engine.descriptor().formats.end();
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

[[noreturn]] void throw_unavailable(const engines::Engine& engine, const engines::Availability& found) {
    Details details = found.remedy;
    if (details.empty()) details.push_back({"engine", std::string(engine.descriptor().name)});
    throw Error(ErrorCode::engine_unavailable, *found.reason, std::move(details));
}

[[noreturn]] void throw_unsupported(std::string_view engine, std::string_view format) {
    fail(ErrorCode::unsupported_format, "{} does not run models in the format {}", "{} 无法运行 {} 格式的模型", engine,
         format);
}

bool is_number_list(std::string_view text) {
    std::size_t digits = 0;
    for (const char c : text) {
        if (c == ',' && digits > 0) {
            digits = 0;
        } else if (c < '0' || c > '9' || ++digits > 3) {
            return false;
        }
    }
    return digits > 0;
}

}  // namespace

Task<EngineChoice> choose_engine(const engines::EngineSet& engines, std::string asked, std::string format,
                                 std::string config) {
    if (asked != "auto") {
        engines::Engine& engine = engines.get(asked);
        if (engine.descriptor().needs_model && !runs(engine, format)) throw_unsupported(asked, format);
        co_await check_available(engine);
        co_return EngineChoice{.engine = &engine, .reason = {}};
    }
    Details reasons;
    std::optional<std::pair<engines::Engine*, engines::Availability>> missing;
    for (const auto& engine : engines.all()) {
        if (!engine->descriptor().needs_model || !runs(*engine, format)) continue;
        const std::string name(engine->descriptor().name);
        auto found = co_await engine->availability();
        const bool by_template = !engine->templates().empty();
        if (!found.reason && by_template && !engine->check(engine->complete(config, format)).empty())
            found.reason =
                Text{"it has nothing that fits this machine and these settings", "没有适合本机及所给参数的选项"};
        if (!found.reason) {
            const std::string version = found.version ? " " + *found.version : "";
            std::string why = fmt::format("{}{} runs {} on this machine", name, version, upper(format));
            for (const Detail& passed : reasons)
                why += fmt::format("; not {}: {}", passed.name, std::get<Text>(passed.value).en);
            co_return EngineChoice{engine.get(), std::move(why)};
        }
        reasons.push_back({name, *found.reason});
        // One that says how it is had is what is missing; the others are alternatives.
        if (!missing && !found.remedy.empty()) missing = std::pair(engine.get(), std::move(found));
    }
    if (missing) throw_unavailable(*missing->first, missing->second);
    throw Error(ErrorCode::unsupported_format,
                Text::format("no engine of this machine runs models in the format {}",
                             "本机没有可运行 {} 格式模型的引擎", format),
                std::move(reasons));
}

Task<> check_available(engines::Engine& engine) {
    const auto found = co_await engine.availability();
    if (found.reason) throw_unavailable(engine, found);
}

std::string spec_of(const Deployment& deployment) {
    const std::string all = fmt::format("{}\n{}\n{}\n{}\n{}", deployment.engine, deployment.model_id.str(),
                                        deployment.gpu_device, deployment.port.value_or(0), deployment.config);
    return Sha256::of(all).hex().substr(0, kSpecLength);
}

engines::Order order_for(const Deployment& deployment, const InstanceId& instance, std::filesystem::path model,
                         std::filesystem::path log) {
    return {.deployment = deployment.id.str(),
            .instance = instance.str(),
            .name = deployment.name,
            .model = std::move(model),
            .model_ref = deployment.model_ref,
            .gpu_device = deployment.gpu_device,
            .port = deployment.port,
            .config = deployment.config,
            .log = std::move(log)};
}

engines::Record record_of(const Instance& instance) {
    return {.process = instance.process, .container = instance.container, .endpoint = instance.endpoint};
}

void take_record(Instance& instance, engines::Record record) {
    instance.process = std::move(record.process);
    instance.container = std::move(record.container);
    instance.endpoint = std::move(record.endpoint);
}

std::filesystem::path log_path(const std::filesystem::path& home, const DeploymentId& id) {
    return home / "logs" / "deployments" / (id.str() + ".log");
}

bool is_gpu_device(std::string_view text) {
    constexpr std::string_view kPrefix = "GPU-";
    constexpr std::size_t kUuid = 36;
    if (text == "auto" || text == "cpu") return true;
    if (!text.starts_with(kPrefix)) return is_number_list(text);
    return text.size() == kPrefix.size() + kUuid &&
           text.substr(kPrefix.size()).find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos;
}

}  // namespace llmm::deployments
