#include "base/config/config.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace llmm {
namespace {

constexpr std::string_view kPrefix = "LLM_MANAGER_";

std::string environment_name(std::string_view key) {
    std::string name(kPrefix);
    for (const char c : key)
        name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

const ConfigOption* find_option(std::string_view key) {
    const auto& options = config_options();
    const auto found =
        std::find_if(options.begin(), options.end(), [&](const ConfigOption& o) { return o.key == key; });
    return found == options.end() ? nullptr : &*found;
}

class Loader {
  public:
    explicit Loader(const Environment& environment) : environment_(environment) {}

    Config load(const std::vector<std::string>& overrides) {
        config_.home = find_home();
        for (const ConfigOption& option : config_options())
            config_.sources.emplace(option.key, "default");
        read_file();
        read_environment();
        for (const std::string& text : overrides)
            read_override(text);
        if (!problems_.empty()) throw ConfigError(std::move(problems_));
        return std::move(config_);
    }

  private:
    std::filesystem::path find_home() {
        if (const auto home = environment_("LLM_MANAGER_HOME"); home && !home->empty()) return *home;
        if (const auto data = environment_("XDG_DATA_HOME"); data && !data->empty()) {
            return std::filesystem::path(*data) / "llm-manager";
        }
        if (const auto user = environment_("HOME"); user && !user->empty()) {
            return std::filesystem::path(*user) / ".local/share/llm-manager";
        }
        problems_.push_back("set LLM_MANAGER_HOME: there is neither it nor HOME to find the data directory");
        return {};
    }

    void set(const ConfigOption& option, const std::string& value, std::string source) {
        if (const auto problem = option.set(config_, value)) {
            problems_.push_back(fmt::format("{} ({}): {}", option.key, source, *problem));
            return;
        }
        config_.sources[std::string(option.key)] = std::move(source);
    }

    void read_file() {
        std::vector<std::filesystem::path> candidates = {config_.home / "config.toml", "/etc/llm-manager/config.toml"};
        const auto named = environment_("LLM_MANAGER_CONFIG");
        if (named && !named->empty()) candidates = {*named};
        for (const auto& path : candidates) {
            std::ifstream stream(path);
            if (!stream) continue;
            read_table(stream, path.string());
            return;
        }
        if (named && !named->empty()) problems_.push_back(fmt::format("LLM_MANAGER_CONFIG: {} can't be read", *named));
    }

    void read_table(std::istream& stream, const std::string& name) {
        toml::table table;
        try {
            table = toml::parse(stream, name);
        } catch (const toml::parse_error& error) {
            problems_.push_back(fmt::format("{} line {}: {}", name, error.source().begin.line, error.description()));
            return;
        }
        for (const auto& [section, content] : table) {
            const auto* rows = content.as_table();
            if (!rows) {
                problems_.push_back(fmt::format("{}: {} is not in a section", name, section.str()));
                continue;
            }
            for (const auto& [key, node] : *rows) {
                const std::string full = fmt::format("{}.{}", section.str(), key.str());
                const ConfigOption* option = find_option(full);
                if (!option) {
                    problems_.push_back(fmt::format("{}: {} is not an option", name, full));
                } else {
                    set(*option, text_of(node), "file " + name);
                }
            }
        }
    }

    static std::string text_of(const toml::node& node) {
        if (const auto* text = node.as_string()) return text->get();
        if (const auto* items = node.as_array()) {
            std::vector<std::string> texts;
            for (const auto& item : *items)
                texts.push_back(text_of(item));
            return fmt::format("{}", fmt::join(texts, ","));
        }
        std::ostringstream out;
        node.visit([&](const auto& value) { out << value; });
        return out.str();
    }

    void read_environment() {
        for (const ConfigOption& option : config_options()) {
            std::vector<std::string> names = {environment_name(option.key)};
            for (const auto name : option.environment)
                names.emplace_back(name);
            for (const std::string& name : names) {
                if (const auto value = environment_(name); value && !value->empty()) {
                    set(option, *value, "environment " + name);
                } else if (option.secret) {
                    read_secret_file(option, name + "_FILE");
                }
            }
        }
    }

    void read_secret_file(const ConfigOption& option, const std::string& name) {
        const auto path = environment_(name);
        if (!path || path->empty()) return;
        std::ifstream stream(*path);
        std::string line;
        if (!stream || !std::getline(stream, line)) {
            problems_.push_back(fmt::format("{}: {} can't be read", name, *path));
            return;
        }
        set(option, line, "environment " + name);
    }

    void read_override(const std::string& text) {
        const auto equals = text.find('=');
        const ConfigOption* option = find_option(std::string_view(text).substr(0, equals));
        if (equals == std::string::npos || !option) {
            problems_.push_back(
                fmt::format("--set {}: must be section.key=value with an option that `llm-manager config` lists",
                            text.substr(0, equals)));
            return;
        }
        set(*option, text.substr(equals + 1), "--set");
    }

    const Environment& environment_;
    Config config_;
    std::vector<std::string> problems_;
};

}  // namespace

ConfigError::ConfigError(std::vector<std::string> problems)
    : problems_(std::move(problems)), text_(fmt::format("{}", fmt::join(problems_, "\n"))) {}

Environment process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value ? std::optional<std::string>(value) : std::nullopt;
    };
}

Config load_config(const Environment& environment, const std::vector<std::string>& overrides) {
    return Loader(environment).load(overrides);
}

std::string describe_config(const Config& config) {
    std::string text = fmt::format("{:<32} = {}\n", "home", config.home.string());
    for (const ConfigOption& option : config_options()) {
        text += fmt::format("{:<32} = {:<40} # {}\n", option.key, option.get(config),
                            config.sources.at(std::string(option.key)));
    }
    return text;
}

}  // namespace llmm
