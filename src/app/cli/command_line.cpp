#include "app/cli/command_line.hpp"

#include "app/cli/bench_commands.hpp"
#include "app/cli/chat_commands.hpp"
#include "app/cli/deployment_commands.hpp"
#include "app/cli/failure.hpp"
#include "app/cli/hub_commands.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/model_commands.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/service_commands.hpp"
#include "app/cli/store_commands.hpp"

#include <CLI/CLI.hpp>

namespace llmm::app::cli {
namespace {

// Declares every command. Options are parsed into the members below; the command that was named leaves what
// to do in `action_`.
class CommandLine {
  public:
    CommandLine(Terminal& terminal, const Surroundings& surroundings)
        : terminal_(terminal),
          text_(terminal.text),
          surroundings_(surroundings),
          app_(text_(phrases::program), "llm-manager") {
        auto formatter = std::make_shared<CLI::Formatter>();
        formatter->column_width(34);
        formatter->label("Usage", text_(phrases::usage_title));
        formatter->label("OPTIONS", text_(phrases::options_title));
        formatter->label("SUBCOMMAND", text_(phrases::command_title));
        formatter->label("Positionals", text_(phrases::arguments_title));
        formatter->label("REQUIRED", text_(phrases::required_label));
        app_.formatter(formatter);
        app_.option_defaults()->group(text_(phrases::options_title));
        app_.set_help_flag("-h,--help", text_(phrases::help_option));
        app_.require_subcommand(0, 1);
        app_.add_option("--url", url_, text_(phrases::url_option));
        app_.add_option("--api-key", key_, text_(phrases::key_option));
        app_.add_flag("--json", terminal_.json, text_(phrases::json_option));
        app_.add_option("--lang", language_, text_(phrases::language_option))->check(CLI::IsMember({"zh", "en"}));
        app_.add_flag("--version", version_, text_(phrases::version_option));
        add_hub_commands();
        add_model_commands();
        add_store_commands();
        add_deployment_commands();
        add_run();
        add_bench();
        add_service_commands();
    }

    int execute(std::vector<std::string> arguments) {
        std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
        try {
            app_.parse(std::move(arguments));
        } catch (const CLI::CallForHelp&) {
            terminal_.out << help();
            return kDone;
        } catch (const CLI::ParseError& error) {
            return refuse(error.what());
        }
        if (version_) return print_version();
        if (!action_) return refuse(text_(phrases::missing_command));
        return action_();
    }

  private:
    using Command = int(Session&);

    // Of the command that was named, or of the program.
    std::string help() {
        const auto commands = app_.get_subcommands();
        return commands.empty() ? app_.help() : commands.front()->help(app_.get_name());
    }

    int refuse(const std::string& problem) {
        terminal_.err << "llm-manager: " << problem << "\n\n" << help();
        return kWrongUsage;
    }

    int print_version() {
        if (terminal_.json) {
            terminal_.print(json::value{{"version", LLMM_VERSION}});
        } else {
            terminal_.say("llm-manager " LLMM_VERSION);
        }
        return kDone;
    }

    CLI::App* add_local(const std::string& name, const Phrase& help, std::function<int()> action) {
        CLI::App* command = app_.add_subcommand(name, text_(help));
        command->group(text_(phrases::commands_title));
        command->fallthrough();  // global options may follow the command
        command->callback([this, action = std::move(action)] { action_ = action; });
        return command;
    }

    // A command that speaks to the service.
    CLI::App* add(const std::string& name, const Phrase& help, std::function<Command> action) {
        return add_local(name, help, [this, action = std::move(action)] {
            const auto api = surroundings_.connect(find_service(url_, key_, surroundings_.environment, text_), text_);
            Session session{*api, terminal_};
            return action(session);
        });
    }

    void add_hub_commands() {
        auto* command =
            add("search", phrases::search_command, [this](Session& session) { return search(session, search_); });
        command->add_option("query", search_.query, text_(phrases::query_argument))->required();
        command->add_option("--source", search_.source, text_(phrases::source_option))
            ->check(CLI::IsMember({"all", "huggingface", "modelscope", "demo"}));
        command->add_option("--format", search_.format, text_(phrases::format_option))
            ->check(CLI::IsMember({"gguf", "safetensors"}));
        command->add_option("--sort", search_.sort, text_(phrases::sort_option))
            ->check(CLI::IsMember({"downloads", "likes", "updated", "trending"}));
        command->add_option("--limit", search_.limit, text_(phrases::limit_option))->check(CLI::Range(1, 200));

        command = add("show", phrases::show_command, [this](Session& session) { return show(session, name_); });
        command->add_option("model", name_, text_(phrases::model_argument))->required();

        command = add("pull", phrases::pull_command, [this](Session& session) { return pull(session, pull_); });
        command->add_option("ref", pull_.ref, text_(phrases::ref_argument))->required();
        command->add_flag("-d,--detach", pull_.detach, text_(phrases::detach_option));
    }

    void add_model_commands() {
        add("list", phrases::list_command, list_models);
        add("downloads", phrases::downloads_command, list_downloads);
        auto* command =
            add("rm", phrases::rm_command, [this](Session& session) { return cli::remove(session, remove_); });
        command->add_option("model", remove_.model, text_(phrases::model_argument));
        command->add_option("--deployment", remove_.deployment, text_(phrases::rm_deployment_option));
    }

    void add_store_commands() {
        auto* command = add("import", phrases::import_command,
                            [this](Session& session) { return import_models(session, import_); });
        command->add_option("path", import_.path, text_(phrases::import_path_argument));
        command->add_option("--from-hf-cache", import_.hf_cache, text_(phrases::from_hf_cache_option));
        command->add_option("--from-ollama", import_.ollama, text_(phrases::from_ollama_option));
        command->add_option("--variant", import_.variant, text_(phrases::import_variant_option));
        command->add_flag("--copy", import_.copy, text_(phrases::copy_option));
        command->add_flag("-d,--detach", import_.detach, text_(phrases::import_detach_option));

        command = add("link", phrases::link_command, [this](Session& session) { return link_models(session, link_); });
        command->add_option("model", link_.model, text_(phrases::link_model_argument));
        command->add_option("--hf-cache", link_.hf_cache, text_(phrases::link_hf_cache_option));
        command->add_option("--ollama", link_.ollama, text_(phrases::link_ollama_option));

        command =
            add("gc", phrases::gc_command, [this](Session& session) { return collect_garbage(session, collect_); });
        command->add_flag("--dry-run", collect_.dry_run, text_(phrases::dry_run_option));

        command = add("verify", phrases::verify_command,
                      [this](Session& session) { return verify(session, name_, import_.detach); });
        command->add_option("model", name_, text_(phrases::model_argument));
        command->add_flag("-d,--detach", import_.detach, text_(phrases::import_detach_option));
    }

    void add_deployment_commands() {
        auto* command =
            add("deploy", phrases::deploy_command, [this](Session& session) { return deploy(session, deploy_); });
        command->add_option("model", deploy_.model, text_(phrases::model_argument))->required();
        command->add_option("--name", deploy_.name, text_(phrases::name_option));
        command->add_option("--engine", deploy_.engine, text_(phrases::engine_option))
            ->check(CLI::IsMember({"auto", "llama-server", "process", "docker", "ollama", "external"}));
        command->add_option("--port", deploy_.port, text_(phrases::port_option))->check(CLI::Range(1024, 65535));
        command->add_option("--context", deploy_.context, text_(phrases::context_option))->check(CLI::PositiveNumber);
        command->add_option("--parallel", deploy_.parallel, text_(phrases::parallel_option))
            ->check(CLI::PositiveNumber);
        command->add_option("--gpu-layers", deploy_.gpu_layers, text_(phrases::gpu_layers_option))
            ->check(CLI::NonNegativeNumber);
        add_repeated(command, deploy_.settings, phrases::deploy_set_option);
        command->add_flag("--wait", deploy_.wait, text_(phrases::wait_option));

        add("ps", phrases::ps_command, list_deployed);
        command = add("start", phrases::start_command,
                      [this](Session& session) { return start(session, name_, deploy_.wait); });
        command->add_option("name", name_, text_(phrases::deployment_argument))->required();
        command->add_flag("--wait", deploy_.wait, text_(phrases::wait_option));
        command = add("stop", phrases::stop_command, [this](Session& session) { return stop(session, name_); });
        command->add_option("name", name_, text_(phrases::deployment_argument))->required();
        command = add("logs", phrases::logs_command, [this](Session& session) { return logs(session, logs_); });
        command->add_option("name", logs_.deployment, text_(phrases::deployment_argument))->required();
        command->add_flag("-f,--follow", logs_.follow, text_(phrases::follow_option));
        command->add_option("--tail", logs_.tail, text_(phrases::tail_option))->check(CLI::Range(0, 10000));
    }

    void add_run() {
        auto* command = add("run", phrases::run_command, [this](Session& session) { return run(session, run_); });
        command->add_option("model", run_.model, text_(phrases::run_model_argument))->required();
        command->add_option("prompt", run_.prompt, text_(phrases::prompt_argument));
        command->add_option("--temperature", run_.temperature, text_(phrases::temperature_option))
            ->check(CLI::Range(0.0, 2.0));
        command->add_option("--system", run_.system_prompt, text_(phrases::system_option));
        command->add_option("--max-tokens", run_.max_tokens, text_(phrases::max_tokens_option))
            ->check(CLI::PositiveNumber);
    }

    void add_bench() {
        auto* command =
            add("bench", phrases::bench_command, [this](Session& session) { return bench(session, bench_); });
        command->add_option("name", bench_.deployment, text_(phrases::deployment_argument))->required();
        command->add_option("--concurrency", bench_.concurrency, text_(phrases::concurrency_option))
            ->delimiter(',')
            ->check(CLI::Range(1, 512));
        command->add_option("--requests", bench_.requests, text_(phrases::requests_option))->check(CLI::Range(1, 4096));
        command->add_option("--max-tokens", bench_.max_tokens, text_(phrases::bench_tokens_option))
            ->check(CLI::Range(1, 4096));
        command->add_option("--prompt", bench_.prompt, text_(phrases::bench_prompt_option));
        add("benchmarks", phrases::benchmarks_command, list_benchmarks);
    }

    void add_service_commands() {
        const auto config = [this] { return load_config(surroundings_.environment, overrides_); };
        add_repeated(add_local("serve", phrases::serve_command, [=, this] { return surroundings_.serve(config()); }),
                     overrides_, phrases::config_set_option);
        add_repeated(
            add_local("migrate", phrases::migrate_command, [=, this] { return surroundings_.migrate(config()); }),
            overrides_, phrases::config_set_option);
        add_repeated(
            add_local("config", phrases::config_command, [=, this] { return show_config(terminal_, config()); }),
            overrides_, phrases::config_set_option);
        add("tasks", phrases::tasks_command, list_tasks);
        add("status", phrases::status_command, status);
        add_local("version", phrases::version_command, [this] { return print_version(); });
    }

    // One value each time, so that an argument after it is not taken for another.
    void add_repeated(CLI::App* command, std::vector<std::string>& values, const Phrase& help) {
        command->add_option("--set", values, text_(help))->allow_extra_args(false);
    }

    Terminal& terminal_;
    const Texts text_;
    const Surroundings& surroundings_;
    CLI::App app_;
    std::function<int()> action_;

    std::string url_, key_, language_, name_;
    std::vector<std::string> overrides_;
    bool version_ = false;
    SearchOptions search_;
    PullOptions pull_;
    RemoveOptions remove_;
    ImportOptions import_;
    LinkOptions link_;
    CollectOptions collect_;
    DeployOptions deploy_;
    LogOptions logs_;
    RunOptions run_;
    BenchOptions bench_;
};

}  // namespace

std::string language_option(std::span<const std::string> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--") break;
        if (arguments[i] == "--lang" && i + 1 < arguments.size()) return arguments[i + 1];
        if (arguments[i].starts_with("--lang=")) return arguments[i].substr(7);
    }
    return {};
}

int execute(std::vector<std::string> arguments, Terminal& terminal, const Surroundings& surroundings) {
    try {
        return CommandLine(terminal, surroundings).execute(std::move(arguments));
    } catch (...) {
        return report_failure(std::current_exception(), terminal);
    }
}

}  // namespace llmm::app::cli
