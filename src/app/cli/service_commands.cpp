#include "app/cli/service_commands.hpp"

#include "app/cli/failure.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/table.hpp"

#include <fmt/format.h>

namespace llmm::app::cli {

int status(Session& session) {
    const Texts& text = session.text;
    Terminal& terminal = session.terminal;
    const json::value answer = session.api.read("/readyz");
    const json::object readiness = answer.is_object() ? answer.get_object() : json::object();
    const auto is_ready = flag_of(readiness, "ready");
    if (!is_ready) throw Unreachable(session.api.url(), text(phrases::foreign_answer, "/readyz"));
    const json::object info = get(session.api, {"system", "info"});
    if (terminal.json) {
        json::object both = readiness;
        both["info"] = info;
        terminal.print(both);
        return *is_ready ? kDone : kFailed;
    }
    const json::object database = object_of(info, "database");
    terminal.say(text(phrases::service_line, text(*is_ready ? phrases::ready : phrases::not_ready),
                      printable(text_of(info, "version")), session.api.url()));
    terminal.say(text(phrases::platform_line, printable(text_of(info, "os")), printable(text_of(info, "arch"))));
    terminal.say(
        text(phrases::database_line, printable(text_of(database, "kind")), printable(text_of(database, "version"))));
    terminal.say(text(phrases::uptime_line, format_duration(count_of(info, "uptime_seconds").value_or(0))));
    for (const json::value& value : array_of(readiness, "checks")) {
        const json::object* check = value.if_object();
        if (!check || flag_of(*check, "ok").value_or(false)) continue;
        terminal.say(
            text(phrases::check_failed, printable(text_of(*check, "name")), printable(text_of(*check, "reason"))));
    }
    return *is_ready ? kDone : kFailed;
}

int list_tasks(Session& session) {
    const auto tasks = list(session.api, {"tasks"}, {}, 50);
    const Texts& text = session.text;
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(tasks.begin(), tasks.end())}});
        return kDone;
    }
    if (tasks.empty()) {
        session.terminal.note(text(phrases::no_tasks));
        return kDone;
    }
    Table table({{text(phrases::column_id)},
                 {text(phrases::column_kind)},
                 {text(phrases::column_status)},
                 {text(phrases::column_progress), Align::right},
                 {text(phrases::column_attempts), Align::right},
                 {text(phrases::column_error)}});
    for (const json::object& task : tasks) {
        const auto progress = number_of(task, "progress");
        table.add(
            {text_of(task, "id"), text_of(task, "kind"), text_of(task, "state"),
             progress ? fmt::format("{:.0f}%", *progress * 100) : "",
             fmt::format("{}/{}", count_of(task, "attempts").value_or(0), count_of(task, "max_attempts").value_or(0)),
             text_of(task, "error")});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    return kDone;
}

int show_config(Terminal& terminal, const Config& config) {
    if (!terminal.json) {
        terminal.out << describe_config(config);
        return kDone;
    }
    json::object options{{"home", json::object{{"value", config.home.string()}}}};
    for (const ConfigOption& option : config_options()) {
        options[option.key] = {{"value", option.get(config)}, {"source", config.sources.at(std::string(option.key))}};
    }
    terminal.print(options);
    return kDone;
}

}  // namespace llmm::app::cli
