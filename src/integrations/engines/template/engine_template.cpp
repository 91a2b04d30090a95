#include "integrations/engines/template/engine_template.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines {
namespace {

// {model}, {name}, {port}, {address}, {value}; {{ and }} are braces. The parser of templates has refused all others.
std::string filled(const std::string& text, const TemplateValues& values, const std::string& value) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
        if ((text[i] != '{' && text[i] != '}') || doubled) {
            result += text[i];
            if (doubled && (text[i] == '{' || text[i] == '}')) ++i;
            continue;
        }
        const auto end = text.find('}', i);
        const std::string name = text.substr(i + 1, end - i - 1);
        if (name == "model") result += values.model;
        if (name == "name") result += values.name;
        if (name == "port") result += std::to_string(values.port);
        if (name == "address") result += values.address;
        if (name == "value") result += value;
        i = end;
    }
    return result;
}

std::string text_of(const OptionValue& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return "";
}

bool takes_part(const OptionValue& value) {
    const auto* flag = std::get_if<bool>(&value);
    return flag ? *flag : !std::holds_alternative<std::monostate>(value);
}

json::object without_template(const std::string& config) {
    json::object object = parse_own_json(config).as_object();
    object.erase("template");
    return object;
}

}  // namespace

MetricNames EngineTemplate::metric_names() const {
    const auto names = [this](const char* ours) {
        const auto found = metrics_.find(ours);
        return found == metrics_.end() ? std::vector<std::string>() : std::vector{found->second};
    };
    return {.requests_running = names("requests_running"),
            .requests_waiting = names("requests_waiting"),
            .prompt_tokens_total = names("prompt_tokens_total"),
            .generated_tokens_total = names("generated_tokens_total"),
            .prompt_tokens_per_second = names("prompt_tokens_per_second"),
            .generated_tokens_per_second = names("generated_tokens_per_second"),
            .time_to_first_token_seconds = names("time_to_first_token_seconds"),
            .kv_cache_usage = names("kv_cache_usage")};
}

std::optional<llama_server::MemorySettings> EngineTemplate::memory_settings(const std::string& config,
                                                                            bool has_gpu) const {
    if (!remembers_like_llama_cpp_) return std::nullopt;
    const json::value object = without_template(config);
    ObjectReader in(object);
    const OptionValues options = read_options(descriptor(), in);
    in.finish();
    const auto value_of = [&options]<class T>(std::string_view key, const T& otherwise) {
        const auto found = options.all().find(key);
        const T* value = found == options.all().end() ? nullptr : std::get_if<T>(&found->second);
        return value ? *value : otherwise;
    };
    const auto number = [&](std::string_view key, std::int64_t otherwise) { return value_of(key, otherwise); };
    const auto text = [&](std::string_view key, const std::string& otherwise) { return value_of(key, otherwise); };
    const std::int64_t context = number("context_size", 0), slots = std::max<std::int64_t>(1, number("parallel", 1));
    if (context <= 0) return std::nullopt;
    llama_server::MemorySettings settings;
    settings.context_size = (context + slots - 1) / slots;  // --ctx-size is that of all slots
    settings.parallel = slots;
    settings.batch_size = number("batch_size", settings.batch_size);
    settings.ubatch_size = number("ubatch_size", settings.ubatch_size);
    settings.cache_type_k = text("cache_type_k", settings.cache_type_k);
    settings.cache_type_v = text("cache_type_v", settings.cache_type_v);
    settings.flash_attention = text("flash_attention", "auto") != "off";
    settings.prompt_cache_mib = number("prompt_cache_mib", 0);
    const std::int64_t layers = number("gpu_layers", -1);
    if (has_gpu) settings.gpu_layers = layers < 0 ? llama_server::kAllLayers : static_cast<std::uint64_t>(layers);
    return settings;
}

EngineDescriptor EngineTemplate::descriptor() const {
    return {.name = name_, .title = title_, .formats = formats_, .options = options_};
}

Details EngineTemplate::check(const std::string& config) const {
    const json::value object = without_template(config);
    try {
        ObjectReader in(object);
        read_options(descriptor(), in);
        in.finish();
    } catch (const Error& error) {
        return error.details();
    }
    return {};
}

std::vector<std::string> EngineTemplate::arguments(const TemplateValues& values, const std::string& config) const {
    const json::value object = without_template(config);
    ObjectReader in(object);
    const OptionValues options = read_options(descriptor(), in);
    in.finish();
    std::vector<std::string> result;
    for (const Part& part : parts_) {
        const OptionValue value =
            part.option ? options.all().find(options_[*part.option].key)->second : OptionValue(true);
        if (!takes_part(value)) continue;
        for (const std::string& argument : part.arguments)
            result.push_back(filled(argument, values, text_of(value)));
    }
    return result;
}

const EngineTemplate* template_of(const Templates& templates, const std::string& config) {
    const json::value object = parse_own_json(config);
    const json::value* name = object.is_object() ? object.get_object().if_contains("template") : nullptr;
    if (!name || !name->is_string()) return nullptr;
    const auto found = templates.find(std::string_view(name->get_string()));
    return found == templates.end() ? nullptr : &found->second;
}

const EngineTemplate& get_template(const Templates& templates, const std::string& config) {
    if (const EngineTemplate* engine = template_of(templates, config)) return *engine;
    fail(ErrorCode::engine_unavailable, "the template of this deployment is not here any more",
         "该部署所用的模板已不存在");
}

std::string with_template(const Templates& templates, const std::string& config, std::string_view format,
                          const std::function<bool(const EngineTemplate&)>& accepted) {
    json::value object = parse_own_json(config);
    if (!object.is_object() || object.get_object().contains("template")) return config;
    const EngineTemplate* best = nullptr;
    for (const auto& [name, engine] : templates) {
        if (std::ranges::find(engine.formats(), format) == engine.formats().end()) continue;
        if (accepted && !accepted(engine)) continue;
        if (!best || engine.preference() > best->preference()) best = &engine;
    }
    if (best) object.as_object()["template"] = best->name();
    return json::serialize(object);
}

Details check_config(const Templates& templates, const std::string& config) {
    if (const EngineTemplate* engine = template_of(templates, config)) return engine->check(config);
    std::string names;
    for (const auto& [name, engine] : templates)
        names += (names.empty() ? "" : ", ") + name;
    return {{"template", FieldProblem{{"names no template that is here", "没有该模板"}, {names, names}}}};
}

std::vector<std::string_view> formats_of(const Templates& templates) {
    std::vector<std::string_view> formats;
    for (const auto& [name, engine] : templates) {
        for (const std::string_view format : engine.formats()) {
            if (std::ranges::find(formats, format) == formats.end()) formats.push_back(format);
        }
    }
    return formats;
}

}  // namespace llmm::engines
