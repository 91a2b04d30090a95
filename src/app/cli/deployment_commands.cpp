#include "app/cli/deployment_commands.hpp"

#include "app/cli/connection.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/lookup.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/progress.hpp"
#include "app/cli/table.hpp"

#include <charconv>

namespace llmm::app::cli {
namespace {

constexpr std::chrono::milliseconds kLookInterval{250};
constexpr std::string_view kAuto = "auto", kExternal = "external";

bool names_engine(const DeployOptions& options) {
    return !options.engine.empty() && options.engine != kAuto;
}

// Numbers and truth values as JSON has them, everything else as text.
json::value setting_value(const std::string& text) {
    if (text == "true" || text == "false") return text == "true";
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
    return json::value(text);
}

json::object config_of(const DeployOptions& options, const Texts& text) {
    json::object config;
    if (options.engine == kExternal) config["url"] = options.model;
    if (options.context) config["context_size"] = *options.context;
    if (options.parallel) config["parallel"] = *options.parallel;
    if (options.gpu_layers) config["gpu_layers"] = *options.gpu_layers;
    for (const std::string& setting : options.settings) {
        const std::size_t equals = setting.find('=');
        if (equals == 0 || equals == std::string::npos) throw WrongUsage(text(phrases::bad_pair, setting));
        config[setting.substr(0, equals)] = setting_value(setting.substr(equals + 1));
    }
    return config;
}

std::string endpoint_of(const json::object& deployment) {
    for (const json::value& instance : array_of(deployment, "instances")) {
        if (instance.is_object() && !text_of(instance.get_object(), "endpoint").empty()) {
            return text_of(instance.get_object(), "endpoint");
        }
    }
    return {};
}

bool is_of_model(const json::object& deployment, const DeployOptions& options) {
    if (options.engine == kExternal)
        return text_of(deployment, "engine") == kExternal &&
               text_of(object_of(deployment, "config"), "url") == options.model;
    return text_of(deployment, "model_id") == options.model ||
           ref_matches(options.model, text_of(deployment, "model_ref"));
}

// The deployment that the command would make again: of the same name, or of the same model when no name is
// asked for.
std::optional<json::object> find_existing(Session& session, const DeployOptions& options) {
    std::optional<json::object> best;
    for (json::object& deployment : list_deployments(session)) {
        const bool is_model = is_of_model(deployment, options);
        if (!is_model || (!options.name.empty() && text_of(deployment, "name") != options.name)) continue;
        if (!best || text_of(deployment, "status") == "running") best = std::move(deployment);
    }
    return best;
}

void refuse_other_settings(const json::object& existing, const DeployOptions& options, const json::object& config,
                           const Texts& text) {
    const json::object present = object_of(existing, "config");
    bool is_same = (!options.port || count_of(existing, "port") == *options.port) &&
                   (!names_engine(options) || text_of(existing, "engine") == options.engine);
    for (const auto& [key, value] : config) {
        const json::value* other = present.if_contains(key);
        is_same = is_same && other && *other == value;
    }
    const std::string name = printable(text_of(existing, "name"));
    if (!is_same) throw CommandFailed(text(phrases::other_settings, options.model, name, name));
}

json::object create(Session& session, const DeployOptions& options, json::object config) {
    json::object body;
    if (options.engine != kExternal) body[looks_like_ref(options.model) ? "ref" : "model_id"] = options.model;
    if (!options.name.empty()) body["name"] = options.name;
    if (!options.engine.empty()) body["engine"] = options.engine;
    if (options.port) body["port"] = *options.port;
    if (!config.empty()) body["config"] = std::move(config);
    return post(session.api, {"deployments"}, std::move(body));
}

void report_state(Session& session, const json::object& deployment) {
    if (session.terminal.json) {
        session.terminal.print(deployment);
        return;
    }
    const std::string name = printable(text_of(deployment, "name"));
    const std::string status = text_of(deployment, "status");
    const std::string endpoint = printable(endpoint_of(deployment));
    if (status == "running" && text_of(deployment, "desired") == "stopped") {
        session.terminal.say(session.text(phrases::stopping, name));
    } else if (status == "running" && endpoint.empty()) {
        session.terminal.say(session.text(phrases::running, name));
    } else if (status == "running") {
        session.terminal.say(session.text(phrases::running_at, name, endpoint));
    } else if (status == "stopped") {
        session.terminal.say(session.text(phrases::is_stopped, name));
    } else {
        session.terminal.say(session.text(phrases::starts, name));
    }
}

std::string uptime_of(const json::object& deployment, const Terminal& terminal) {
    if (text_of(deployment, "status") != "running") return {};
    for (const json::value& instance : array_of(deployment, "instances")) {
        if (!instance.is_object()) continue;
        const auto seconds = seconds_since(text_of(instance.get_object(), "started_at"), terminal.now());
        if (seconds) return format_duration(*seconds);
    }
    return {};
}

}  // namespace

json::object ensure_started(Session& session, json::object deployment) {
    const std::string status = text_of(deployment, "status");
    const bool is_wanted = text_of(deployment, "desired") == "running";
    if (is_wanted && (status == "running" || status == "deploying")) return deployment;
    return post(session.api, {"deployments", text_of(deployment, "id"), "start"});
}

json::object wait_until_running(Session& session, json::object deployment) {
    Terminal& terminal = session.terminal;
    const std::string name = printable(text_of(deployment, "name"));
    const auto begin = std::chrono::steady_clock::now();
    std::size_t drawn = 0;
    while (text_of(deployment, "status") == "deploying") {
        if (terminal.err_is_live) {
            const auto seconds =
                std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
            terminal.err << redraw(drawn, {session.text(phrases::starting, name, format_duration(seconds.count()))})
                         << std::flush;
            drawn = 1;
        }
        terminal.sleep(kLookInterval);
        deployment = get(session.api, {"deployments", text_of(deployment, "id")});
    }
    if (drawn > 0) terminal.err << redraw(drawn, {}) << std::flush;
    const std::string status = text_of(deployment, "status");
    if (status == "running") return deployment;
    if (status == "stopped") throw CommandFailed(session.text(phrases::is_stopped, name));
    const std::string reason = text_of(deployment, "last_error");
    throw CommandFailed(session.text(phrases::start_failed, name,
                                     reason.empty() ? session.text(phrases::unknown_reason) : printable(reason)) +
                        "\n" + session.text(phrases::see_logs, name));
}

int deploy(Session& session, const DeployOptions& options) {
    json::object config = config_of(options, session.text);
    DeployOptions wanted = options;
    if (options.engine != kExternal && !looks_like_ref(options.model))
        wanted.model = text_of(require_model(session, options.model), "id");
    json::object deployment;
    if (auto existing = find_existing(session, wanted)) {
        refuse_other_settings(*existing, options, config, session.text);
        session.terminal.note(
            session.text(phrases::already_deployed, options.model, printable(text_of(*existing, "name"))));
        deployment = ensure_started(session, std::move(*existing));
    } else {
        deployment = create(session, wanted, std::move(config));
        const std::string reason = text_of(deployment, "engine_reason");
        if (!reason.empty()) {
            session.terminal.note(
                session.text(phrases::engine_chosen, printable(text_of(deployment, "engine")), printable(reason)));
        }
    }
    if (options.wait) deployment = wait_until_running(session, std::move(deployment));
    report_state(session, deployment);
    return 0;
}

int list_deployed(Session& session) {
    const auto deployments = list_deployments(session);
    const Texts& text = session.text;
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(deployments.begin(), deployments.end())}});
        return 0;
    }
    if (deployments.empty()) {
        session.terminal.note(text(phrases::no_deployments));
        return 0;
    }
    Table table({{text(phrases::column_name)},
                 {text(phrases::column_status)},
                 {text(phrases::column_endpoint)},
                 {text(phrases::column_memory), Align::right},
                 {text(phrases::column_uptime), Align::right},
                 {text(phrases::column_restarts), Align::right},
                 {text(phrases::column_model)}});
    for (const json::object& deployment : deployments) {
        const json::object memory = object_of(deployment, "memory");
        const auto measured = count_of(memory, "measured_bytes");
        table.add({text_of(deployment, "name"), text_of(deployment, "status"), endpoint_of(deployment),
                   measured ? format_bytes(*measured) : "", uptime_of(deployment, session.terminal),
                   std::to_string(count_of(deployment, "restarts").value_or(0)), text_of(deployment, "model_ref")});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    for (const json::object& deployment : deployments) {
        const std::string problem = text_of(deployment, "last_error");
        if (text_of(deployment, "status") == "failed" && !problem.empty()) {
            session.terminal.note(printable(text_of(deployment, "name")) + ": " + printable(problem));
        }
    }
    return 0;
}

int stop(Session& session, const std::string& deployment) {
    report_state(session, post(session.api, {"deployments", deployment, "stop"}));
    return 0;
}

int start(Session& session, const std::string& deployment, bool wait) {
    json::object started = post(session.api, {"deployments", deployment, "start"});
    if (wait) started = wait_until_running(session, std::move(started));
    report_state(session, started);
    return 0;
}

int logs(Session& session, const LogOptions& options) {
    Terminal& terminal = session.terminal;
    if (terminal.json && options.follow) throw WrongUsage(session.text(phrases::endless_json));
    const auto write = [&](const json::object& line) {
        const std::string text = text_of(line, "text");
        terminal.out << (terminal.out_is_tty ? printable(text) : text) << "\n";
    };
    const std::string tail = std::to_string(options.tail);
    if (options.follow) {
        session.api.stream(
            {.path = api_path({"deployments", options.deployment, "logs"}, {{"tail", tail}, {"follow", "true"}})},
            [&](const ServerEvent& event) {
                if (event.name == "log") write(parse_json(event.data).as_object());
                terminal.out << std::flush;
                return true;
            });
        return 0;
    }
    const json::object answer = get(session.api, {"deployments", options.deployment, "logs"}, {{"tail", tail}});
    if (terminal.json) {
        terminal.print(answer);
        return 0;
    }
    for (const json::value& line : array_of(answer, "lines")) {
        if (line.is_object()) write(line.get_object());
    }
    return 0;
}

}  // namespace llmm::app::cli
