#include "app/cli/hub_commands.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/lookup.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/table.hpp"
#include "app/cli/transfer.hpp"

namespace llmm::app::cli {
namespace {

std::string size_of(const json::object& object) {
    const auto size = count_of(object, "size");
    return size ? format_bytes(*size) : "";
}

// "Architecture  llama", left out when there is nothing to say.
void write_fact(Session& session, const Phrase& label, const std::string& value) {
    if (!value.empty()) session.terminal.say(pad_right(session.text(label), 14) + printable(value));
}

void write_compatibility(Session& session, const json::object& model) {
    if (!flag_of(model, "stock_compatible").value_or(true))
        write_fact(session, phrases::label_stock_compatible, session.text(phrases::not_stock_compatible));
}

void show_local(Session& session, const json::object& model) {
    session.terminal.say(printable(text_of(model, "name")) + "  (" + printable(text_of(model, "status")) + ")");
    write_fact(session, phrases::column_id, text_of(model, "id"));
    write_fact(session, phrases::column_ref, text_of(model, "ref"));
    write_fact(session, phrases::label_description, text_of(model, "description"));
    write_fact(session, phrases::column_size, size_of(model));
    write_fact(session, phrases::column_format, text_of(model, "format"));
    write_fact(session, phrases::column_variant, text_of(model, "quantization"));
    write_fact(session, phrases::label_architecture, text_of(model, "architecture"));
    if (const auto parameters = count_of(model, "parameters")) {
        write_fact(session, phrases::label_parameters, format_count(*parameters));
    }
    if (const auto context = count_of(model, "context_length")) {
        write_fact(session, phrases::label_context, std::to_string(*context));
    }
    write_fact(session, phrases::label_license, text_of(model, "license"));
    write_compatibility(session, model);
}

void show_remote(Session& session, const json::object& info) {
    const Texts& text = session.text;
    session.terminal.say(printable(text_of(info, "repo")));
    write_fact(session, phrases::column_ref, text_of(info, "ref"));
    write_fact(session, phrases::label_revision, text_of(info, "revision"));
    write_fact(session, phrases::label_license, text_of(info, "license"));
    write_compatibility(session, info);
    if (flag_of(info, "gated").value_or(false)) write_fact(session, phrases::label_gated, text(phrases::yes));
    const auto downloads = count_of(info, "downloads");
    if (downloads) write_fact(session, phrases::column_downloads, format_count(*downloads));

    Table table({{text(phrases::column_variant)},
                 {text(phrases::column_format)},
                 {text(phrases::column_size), Align::right},
                 {text(phrases::column_files), Align::right},
                 {text(phrases::column_fits)}});
    for (const json::value& value : array_of(info, "variants")) {
        const json::object* variant = value.if_object();
        if (!variant) continue;
        const std::string name = text_of(*variant, "name");
        const auto fits = flag_of(*variant, "fits");
        std::string verdict = !fits ? "" : text(*fits ? phrases::yes : phrases::no);
        const std::string reason = text_of(*variant, "fits_reason");
        if (!reason.empty()) verdict += (verdict.empty() ? "" : ": ") + reason;
        table.add({name == text_of(info, "default_variant") ? text(phrases::default_mark, name) : name,
                   text_of(*variant, "format"), size_of(*variant), std::to_string(array_of(*variant, "files").size()),
                   verdict});
    }
    session.terminal.out << "\n" << table.str(session.terminal.table_width());
}

// A bare name belongs to a model of this machine; a reference is looked up on its hub.
std::pair<json::object, bool> find_local_or_remote(Session& session, const std::string& asked) {
    if (!looks_like_ref(asked)) return {require_model(session, asked), true};
    try {
        return {get(session.api, {"hub", "models", "info"}, {{"ref", asked}}), false};
    } catch (const ApiError& error) {
        // What is here can be shown even when its hub can't be asked.
        auto local = find_model(session, asked);
        if (!local) throw;
        return {std::move(*local), true};
    }
}

}  // namespace

int search(Session& session, const SearchOptions& options) {
    const Query query = {
        {"source", options.source}, {"q", options.query}, {"format", options.format}, {"sort", options.sort}};
    const auto models = list(session.api, {"hub", "models"}, query, options.limit);
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(models.begin(), models.end())}});
        return 0;
    }
    if (models.empty()) {
        session.terminal.note(session.text(phrases::nothing_found));
        return 0;
    }
    const Texts& text = session.text;
    Table table({{text(phrases::column_ref)},
                 {text(phrases::column_downloads), Align::right},
                 {text(phrases::column_likes), Align::right},
                 {text(phrases::column_updated)},
                 {text(phrases::column_format)},
                 {text(phrases::label_license)}});
    for (const json::object& model : models) {
        const auto count = [&](std::string_view key) {
            const auto number = count_of(model, key);
            return number ? format_count(*number) : std::string();
        };
        std::string formats;
        for (const json::value& format : array_of(model, "formats")) {
            if (format.is_string()) formats += (formats.empty() ? "" : ",") + std::string(format.get_string());
        }
        const std::string gate = flag_of(model, "gated").value_or(false) ? " *" : "";
        table.add({text_of(model, "ref"), count("downloads"), count("likes"),
                   text_of(model, "updated_at").substr(0, 10), formats, text_of(model, "license") + gate});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    session.terminal.note(text(phrases::search_next));
    return 0;
}

int show(Session& session, const std::string& model) {
    const auto [found, is_local] = find_local_or_remote(session, model);
    if (session.terminal.json) {
        session.terminal.print(found);
    } else if (is_local) {
        show_local(session, found);
    } else {
        show_remote(session, found);
    }
    return 0;
}

int pull(Session& session, const PullOptions& options) {
    Terminal& terminal = session.terminal;
    json::object answer = begin_pull(session, options.ref);
    const bool was_here = is_model(answer);
    if (!was_here && !options.detach) answer = follow_pull(session, std::move(answer), options.ref);
    if (terminal.json) {
        terminal.print(answer);
    } else if (was_here) {
        terminal.say(session.text(phrases::already_here, printable(text_of(answer, "ref")), size_of(answer)));
    } else if (options.detach) {
        terminal.say(session.text(phrases::download_started, options.ref));
    } else {
        const std::string size =
            format_bytes(count_of(answer, "total_size").value_or(count_of(answer, "download_size").value_or(0)));
        terminal.say(session.text(phrases::pulled, printable(text_of(answer, "ref")), size));
    }
    if (!terminal.json && !flag_of(answer, "stock_compatible").value_or(true))
        terminal.note(session.text(phrases::pulled_not_loadable));
    return 0;
}

}  // namespace llmm::app::cli
