#include "app/cli/model_commands.hpp"

#include "app/cli/connection.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/lookup.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/progress.hpp"
#include "app/cli/table.hpp"

#include <fmt/format.h>

namespace llmm::app::cli {

namespace {

// What all downloads together may take, when that is limited at any time of the week.
void note_limit(Session& session) {
    const json::object limit = object_of(get(session.api, {"downloads"}, {{"limit", "1"}}), "speed_limit");
    const auto now = number_of(limit, "now");
    const std::string window = text_of(limit, "window");
    if (!now && array_of(limit, "schedule").empty()) return;
    std::string what = now ? format_speed(*now) : session.text(phrases::no_limit);
    if (!window.empty()) what += " (" + printable(window) + ")";
    session.terminal.note(session.text(phrases::limit_now, what));
}

}  // namespace

int list_models(Session& session) {
    const auto models = list(session.api, {"models"});
    const Texts& text = session.text;
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(models.begin(), models.end())}});
        return 0;
    }
    if (models.empty()) {
        session.terminal.note(text(phrases::no_models));
        return 0;
    }
    Table table({{text(phrases::column_name)},
                 {text(phrases::column_size), Align::right},
                 {text(phrases::column_variant)},
                 {text(phrases::column_status)},
                 {text(phrases::column_ref)}});
    for (const json::object& model : models) {
        const auto size = count_of(model, "size");
        table.add({text_of(model, "name"), size ? format_bytes(*size) : "", text_of(model, "quantization"),
                   text_of(model, "status"), text_of(model, "ref")});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    return 0;
}

int list_downloads(Session& session) {
    const auto downloads = list(session.api, {"downloads"});
    const Texts& text = session.text;
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(downloads.begin(), downloads.end())}});
        return 0;
    }
    if (downloads.empty()) {
        session.terminal.note(text(phrases::no_downloads));
        note_limit(session);
        return 0;
    }
    Table table({{text(phrases::column_ref)},
                 {text(phrases::column_status)},
                 {text(phrases::column_progress), Align::right},
                 {text(phrases::column_size), Align::right},
                 {text(phrases::column_speed), Align::right},
                 {text(phrases::column_eta), Align::right},
                 {text(phrases::column_error)}});
    for (const json::object& download : downloads) {
        const auto size = count_of(download, "total_size");
        const bool is_active = text_of(download, "status") == "downloading";
        const auto speed = is_active ? number_of(download, "download_speed") : std::nullopt;
        const auto eta = is_active ? count_of(download, "eta_seconds") : std::nullopt;
        table.add({text_of(download, "ref"), phase_text(download, text),
                   fmt::format("{:.0f}%", number_of(download, "progress").value_or(0) * 100),
                   size ? format_bytes(*size) : "", speed ? format_speed(*speed) : "", eta ? format_duration(*eta) : "",
                   text_of(download, "error_code")});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    note_limit(session);
    return 0;
}

int remove(Session& session, const RemoveOptions& options) {
    if (options.model.empty() == options.deployment.empty())
        throw WrongUsage(session.text(phrases::model_or_deployment));
    json::object removed;
    std::string said;
    if (!options.deployment.empty()) {
        removed = remove(session.api, {"deployments", options.deployment});
        said = session.text(phrases::removed_deployment, options.deployment);
    } else {
        const json::object model = require_model(session, options.model);
        removed = remove(session.api, {"models", text_of(model, "id")});
        said = session.text(phrases::removed_model, printable(text_of(model, "name")),
                            format_bytes(count_of(removed, "freed_size").value_or(0)));
    }
    if (session.terminal.json) {
        session.terminal.print(removed);
    } else {
        session.terminal.say(said);
    }
    return 0;
}

}  // namespace llmm::app::cli
