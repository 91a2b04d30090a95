#pragma once
#include "base/error/error.hpp"
#include "integrations/engines/engine_metrics.hpp"
#include "integrations/engines/engine_options.hpp"
#include "integrations/engines/llama_server/memory_estimate.hpp"

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Engines that an operator describes in a TOML file instead of in code: how one is started, where it answers, which
// options users may set. What users give only ever fills the places that the file has for it, within the bounds that it
// names.
namespace llmm::engines {

enum class TemplateKind { docker, process };

// What the placeholders of a template stand for.
struct TemplateValues {
    std::string model;  // path of the file or folder, as the engine sees it
    std::string name;   // what the model is called
    int port = 0;
    std::string address = "127.0.0.1";  // to listen on
};

class EngineTemplate {
  public:
    EngineTemplate(EngineTemplate&&) = default;  // not copied: its options look at its texts
    EngineTemplate& operator=(EngineTemplate&&) = default;

    // Throws VALIDATION_FAILED naming every mistake by its key. `name` is that of the file.
    static EngineTemplate parse(TemplateKind kind, std::string name, std::string_view toml);

    const std::string& name() const { return name_; }
    const std::string& title() const { return title_; }
    const std::string& image() const { return image_; }      // of a docker template
    const std::string& program() const { return program_; }  // of a process template: a name or absolute path
    const std::vector<std::string>& entrypoint() const { return entrypoint_; }  // empty: the image's own
    const std::string& health_path() const { return health_path_; }
    int port() const { return port_; }  // inside the container
    const std::vector<std::string_view>& formats() const { return formats_; }
    const std::vector<EngineOption>& options() const { return options_; }
    const std::map<std::string, std::string>& environment() const { return environment_; }
    const std::map<std::string, std::string>& metrics() const { return metrics_; }  // our name → the engine's
    // Of a process: {model} is the deployment's name, and below that name the model lies in the working directory.
    bool calls_model_by_path() const { return calls_model_by_path_; }
    // A variable that gets a random key for this instance; empty: it has none.
    const std::string& key_variable() const { return key_variable_; }
    int preference() const { return preference_; }  // the highest that fits is taken where none is named
    MetricNames metric_names() const;
    // Of a template that says so: what it starts uses memory as llama.cpp's server does. nullopt also where the context
    // is left to the model.
    std::optional<llama_server::MemorySettings> memory_settings(const std::string& config, bool has_gpu) const;
    bool uses_gpus() const { return uses_gpus_; }
    std::int64_t memory_bytes() const { return memory_bytes_; }  // limit; 0: none
    std::int64_t shared_memory_bytes() const { return shared_memory_bytes_; }
    std::int64_t pids() const { return pids_; }

    EngineDescriptor descriptor() const;
    // Mistakes of a config for this template; the key "template" is the caller's.
    Details check(const std::string& config) const;
    // Everything behind the program or the image. The config has been checked.
    std::vector<std::string> arguments(const TemplateValues& values, const std::string& config) const;

  private:
    struct Part {
        std::vector<std::string> arguments;  // with placeholders
        std::optional<std::size_t> option;   // only with a value of this one
    };
    class Reader;
    EngineTemplate() = default;

    std::string name_, title_, image_, program_, health_path_ = "/health";
    std::vector<std::string> entrypoint_;
    std::string key_variable_;
    int port_ = 8000, preference_ = 0;
    bool uses_gpus_ = false, remembers_like_llama_cpp_ = false, calls_model_by_path_ = false;
    std::int64_t memory_bytes_ = 0, shared_memory_bytes_ = 0, pids_ = 4096;
    std::vector<std::string_view> formats_;
    std::vector<EngineOption> options_;
    std::vector<Part> parts_;
    std::map<std::string, std::string> environment_, metrics_;
    std::deque<std::string> texts_;  // what the options' views look at; a deque does not move its elements
    std::deque<std::vector<std::string_view>> lists_;
};

using Templates = std::map<std::string, EngineTemplate, std::less<>>;
// The templates of these folders, by name: a later folder's takes the place of an earlier one's. A file with mistakes
// is left out and logged. Blocking.
Templates load_templates(TemplateKind kind, const std::vector<std::filesystem::path>& folders);
// What a config names as "template"; null when it names none that is there.
const EngineTemplate* template_of(const Templates& templates, const std::string& config);
const EngineTemplate& get_template(const Templates& templates, const std::string& config);  // ENGINE_UNAVAILABLE
// The config with a template in it: the preferred one for the format among those that are accepted, where it names
// none.
std::string with_template(const Templates& templates, const std::string& config, std::string_view format,
                          const std::function<bool(const EngineTemplate&)>& accepted = {});
// Mistakes of a config, that of its template included.
Details check_config(const Templates& templates, const std::string& config);
std::vector<std::string_view> formats_of(const Templates& templates);

}  // namespace llmm::engines
