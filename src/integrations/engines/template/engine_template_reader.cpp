#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "integrations/engines/template/engine_template.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace llmm::engines {
namespace {

constexpr std::size_t kMaxFile = 64 << 10;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxOptions = 64;
constexpr std::string_view kMemoryFormula = "llama.cpp";
constexpr std::string_view kPlaceholders[] = {"model", "name", "port", "address"};
constexpr std::string_view kFormats[] = {"gguf", "safetensors"};
constexpr std::string_view kMetrics[] = {"requests_running",
                                         "requests_waiting",
                                         "prompt_tokens_total",
                                         "generated_tokens_total",
                                         "prompt_tokens_per_second",
                                         "generated_tokens_per_second",
                                         "time_to_first_token_seconds",
                                         "kv_cache_usage"};

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 63 && std::isalnum(static_cast<unsigned char>(text[0])) &&
           std::ranges::all_of(
               text, [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '.' || c == '_' || c == '-'); });
}

bool is_visible(std::string_view text) {
    return text.size() <= kMaxText && std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

// Reads one file and collects every mistake.
class EngineTemplate::Reader {
  public:
    Reader(TemplateKind kind, std::string name) : kind_(kind) { result_.name_ = std::move(name); }

    EngineTemplate read(std::string_view text) {
        if (!is_name(result_.name_)) problem("name", {"is not a name", "不是有效的名称"});
        try {
            table_ = toml::parse(text);
        } catch (const toml::parse_error& error) {
            const std::string what(error.description());
            problem("", Text::format("line {}: {}", "第 {} 行：{}", error.source().begin.line, what));
            finish();
        }
        result_.title_ = this->text(table_, "title", "").value_or(result_.name_);
        if (kind_ == TemplateKind::docker) {
            result_.image_ = required(table_, "image");
            result_.entrypoint_ = strings(table_, "entrypoint", "", false);
            result_.uses_gpus_ = boolean(table_, "gpus").value_or(false);
            result_.memory_bytes_ = integer(table_, "memory_bytes", "", 0, std::int64_t{1} << 50).value_or(0);
            result_.shared_memory_bytes_ =
                integer(table_, "shared_memory_bytes", "", 0, std::int64_t{1} << 40).value_or(0);
            result_.pids_ = integer(table_, "pids", "", 16, 1'000'000).value_or(4096);
            result_.port_ = static_cast<int>(integer(table_, "port", "", 1, 65'535).value_or(8000));
        } else {
            result_.program_ = required(table_, "program");
            result_.calls_model_by_path_ = boolean(table_, "calls_model_by_path").value_or(false);
            const bool relative = result_.program_.contains('/') && !result_.program_.starts_with('/');
            if (relative) problem("program", {"is neither a name nor an absolute path", "既不是名称也不是绝对路径"});
        }
        result_.key_variable_ = this->text(table_, "api_key_environment", "").value_or("");
        if (const auto memory = this->text(table_, "memory", "")) {
            result_.remembers_like_llama_cpp_ = *memory == kMemoryFormula;
            if (*memory != kMemoryFormula) problem("memory", {"is not \"llama.cpp\"", "必须为 \"llama.cpp\""});
        }
        result_.preference_ = static_cast<int>(integer(table_, "preference", "", 0, 1000).value_or(0));
        result_.health_path_ = this->text(table_, "health", "").value_or("/health");
        if (!result_.health_path_.starts_with('/')) problem("health", {"does not begin with /", "必须以 / 开头"});
        read_formats();
        if (!strings(table_, "arguments", "", true).empty())
            result_.parts_.push_back({strings(table_, "arguments", "", true), std::nullopt});
        read_options();
        read_map("environment", result_.environment_);
        read_map("metrics", result_.metrics_);
        for (const auto& [name, metric] : result_.metrics_) {
            if (std::ranges::find(kMetrics, name) == std::end(kMetrics))
                problem("metrics." + name, {"is not a metric of deployments", "不是部署的指标"});
        }
        check_known(table_, "",
                    {"title", "image", "entrypoint", "gpus", "memory", "memory_bytes", "shared_memory_bytes", "pids",
                     "port", "program", "calls_model_by_path", "health", "api_key_environment", "preference", "formats",
                     "arguments", "options", "environment", "metrics"});
        finish();
        return std::move(result_);
    }

  private:
    void problem(std::string key, Text text) {
        problems_.push_back({std::move(key), FieldProblem{std::move(text), {}}});
    }

    void finish() {
        if (problems_.empty()) return;
        throw Error(ErrorCode::validation_failed,
                    Text::format("the engine template {} has mistakes", "引擎模板 {} 有错误", result_.name_),
                    std::move(problems_));
    }

    std::optional<std::string> text(const toml::table& table, std::string_view key, const std::string& parent) {
        const toml::node* node = table.get(key);
        if (!node) return std::nullopt;
        const auto value = node->value_exact<std::string>();
        if (value && !value->empty() && is_visible(*value)) return value;
        problem(parent + std::string(key), {"is not a text", "不是文本"});
        return std::nullopt;
    }

    std::string required(const toml::table& table, std::string_view key, const std::string& parent = "") {
        if (!table.get(key)) problem(parent + std::string(key), {"is missing", "缺失"});
        return text(table, key, parent).value_or("");
    }

    std::optional<std::int64_t> integer(const toml::table& table, std::string_view key, const std::string& parent,
                                        std::int64_t min, std::int64_t max) {
        const toml::node* node = table.get(key);
        if (!node) return std::nullopt;
        const auto value = node->value_exact<std::int64_t>();
        if (value && *value >= min && *value <= max) return value;
        problem(parent + std::string(key),
                Text::format("is not a number from {} to {}", "不是 {} 到 {} 之间的整数", min, max));
        return std::nullopt;
    }

    std::optional<bool> boolean(const toml::table& table, std::string_view key) {
        const toml::node* node = table.get(key);
        if (!node) return std::nullopt;
        const auto value = node->value_exact<bool>();
        if (!value) problem(std::string(key), {"is neither true nor false", "必须为 true 或 false"});
        return value;
    }

    std::vector<std::string> strings(const toml::table& table, std::string_view key, const std::string& parent,
                                     bool placeholders, bool with_value = false) {
        std::vector<std::string> result;
        const toml::node* node = table.get(key);
        if (!node) return result;
        const toml::array* array = node->as_array();
        if (!array) problem(parent + std::string(key), {"is not a list", "不是列表"});
        for (std::size_t i = 0; array && i < array->size(); ++i) {
            const auto value = array->get(i)->value_exact<std::string>();
            if (!value || !is_visible(*value) || (placeholders && !has_known_placeholders(*value, with_value))) {
                problem(fmt::format("{}{}[{}]", parent, key, i),
                        {"is not a text with known placeholders", "不是文本或含有未知占位符"});
            } else {
                result.push_back(*value);
            }
        }
        return result;
    }

    static bool has_known_placeholders(std::string_view text, bool with_value) {
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] != '{' && text[i] != '}') continue;
            if (i + 1 < text.size() && text[i + 1] == text[i]) {
                ++i;
                continue;
            }
            const auto end = text.find('}', i);
            if (text[i] == '}' || end == std::string_view::npos) return false;
            const auto name = text.substr(i + 1, end - i - 1);
            if (!(with_value && name == "value") && std::ranges::find(kPlaceholders, name) == std::end(kPlaceholders))
                return false;
            i = end;
        }
        return true;
    }

    void read_formats() {
        for (const std::string& format : strings(table_, "formats", "", false)) {
            const auto* const found = std::ranges::find(kFormats, format);
            if (found == std::end(kFormats)) {
                problem("formats", {"names a format that is not known", "包含未知格式"});
            } else {
                result_.formats_.push_back(*found);
            }
        }
        if (result_.formats_.empty()) problem("formats", {"names none", "未指定任何格式"});
    }

    std::string_view keep(std::string text) { return result_.texts_.emplace_back(std::move(text)); }

    void read_options() {
        const toml::node* node = table_.get("options");
        if (!node) return;
        const toml::array* list = node->as_array();
        if (!list || list->size() > kMaxOptions) {
            problem("options", {"is not a list of at most 64 tables", "不是最多 64 个表的列表"});
            return;
        }
        for (std::size_t i = 0; i < list->size(); ++i) {
            const toml::table* table = list->get(i)->as_table();
            if (table)
                read_option(*table, fmt::format("options[{}].", i));
            else
                problem(fmt::format("options[{}]", i), {"is not a table", "不是表"});
        }
    }

    void read_option(const toml::table& table, const std::string& parent) {
        EngineOption option;
        const std::string key = required(table, "key", parent);
        if (!is_name(key) || key == "template" || !keys_.insert(key).second)
            problem(parent + "key", {"is not a new name", "不是新的名称"});
        option.key = keep(key);
        option.meaning = {keep(text(table, "meaning", parent).value_or(key)),
                          keep(text(table, "meaning_zh", parent).value_or(key))};
        const std::string type = required(table, "type", parent);
        const toml::node* standard = table.get("default");
        bool fits = !standard;
        if (type == "integer") {
            option.type = OptionType::integer;
            option.min = integer(table, "min", parent, INT64_MIN, INT64_MAX).value_or(0);
            option.max = integer(table, "max", parent, INT64_MIN, INT64_MAX).value_or(INT64_MAX);
            if (const auto value = standard ? standard->value_exact<std::int64_t>() : std::nullopt) {
                option.standard = *value;
                fits = *value >= option.min && *value <= option.max;
            }
        } else if (type == "boolean") {
            option.type = OptionType::boolean;
            option.standard = false;
            if (const auto value = standard ? standard->value_exact<bool>() : std::nullopt) {
                option.standard = *value;
                fits = true;
            }
        } else if (type == "choice") {
            option.type = OptionType::choice;
            auto& choices = result_.lists_.emplace_back();
            for (std::string& choice : strings(table, "choices", parent, false)) {
                // What begins with a dash could be taken for a flag.
                if (choice.starts_with('-')) problem(parent + "choices", {"begins with a dash", "不能以短横线开头"});
                choices.push_back(keep(std::move(choice)));
            }
            option.choices = choices;
            if (choices.empty()) problem(parent + "choices", {"is empty", "为空"});
            if (const auto value = standard ? standard->value_exact<std::string>() : std::nullopt) {
                const auto found = std::ranges::find(choices, *value);
                fits = found != choices.end();
                if (fits) option.standard = *found;
            }
        } else {
            problem(parent + "type", {"is not integer, boolean or choice", "必须为 integer、boolean 或 choice"});
        }
        if (!fits) problem(parent + "default", {"is not a value of this option", "不是该选项的有效值"});
        auto arguments = strings(table, "arguments", parent, true, true);
        if (arguments.empty()) problem(parent + "arguments", {"is empty", "为空"});
        check_known(table, parent,
                    {"key", "type", "min", "max", "default", "choices", "arguments", "meaning", "meaning_zh"});
        result_.parts_.push_back({std::move(arguments), result_.options_.size()});
        result_.options_.push_back(option);
    }

    void read_map(std::string_view key, std::map<std::string, std::string>& map) {
        const toml::node* node = table_.get(key);
        if (!node) return;
        const toml::table* table = node->as_table();
        if (!table) problem(std::string(key), {"is not a table", "不是表"});
        if (!table) return;
        for (const auto& [name, value] : *table) {
            const std::string field(name.str());
            const bool plain = !field.empty() && std::ranges::all_of(field, [](unsigned char c) {
                return c < 0x80 && (std::isalnum(c) || c == '_');
            });
            if (!plain) problem(fmt::format("{}.{}", key, field), {"is not a name", "不是有效的名称"});
            map[field] = text(*table, field, std::string(key) + ".").value_or("");
        }
    }

    void check_known(const toml::table& table, const std::string& parent, std::set<std::string_view> known) {
        for (const auto& [key, value] : table) {
            if (!known.contains(key.str())) problem(parent + std::string(key.str()), {"is not known", "未知字段"});
        }
    }

    const TemplateKind kind_;
    toml::table table_;
    EngineTemplate result_;
    std::set<std::string> keys_;
    Details problems_;
};

EngineTemplate EngineTemplate::parse(TemplateKind kind, std::string name, std::string_view toml) {
    return Reader(kind, std::move(name)).read(toml);
}

Templates load_templates(TemplateKind kind, const std::vector<std::filesystem::path>& folders) {
    Templates templates;
    for (const auto& folder : folders) {
        std::error_code missing;
        for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
            if (entry.path().extension() != ".toml") continue;
            const std::string name = entry.path().stem();
            try {
                templates.insert_or_assign(name,
                                           EngineTemplate::parse(kind, name, read_text_file(entry.path(), kMaxFile)));
            } catch (const Error& error) {
                std::string fields;
                for (const Detail& detail : error.details())
                    fields += (fields.empty() ? "" : ", ") + detail.name;
                log::error("an engine template is left out",
                           {{"file", entry.path().native()}, {"error", error.message().en}, {"fields", fields}});
            }
        }
    }
    return templates;
}

}  // namespace llmm::engines
