#include "app/cli/store_commands.hpp"

#include "app/cli/connection.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/lookup.hpp"
#include "app/cli/phrases.hpp"

#include <filesystem>

#include <fmt/format.h>

namespace llmm::app::cli {
namespace {

using namespace std::chrono_literals;

// The service has a working directory of its own.
std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

bool is_over(const std::string& state) {
    return state != "queued" && state != "running";
}

// Looks until the work has ended; Ctrl-C leaves it to go on.
json::object follow(Session& session, json::object work, const std::vector<std::string>& where) {
    auto wait = 100ms;
    double shown = -1;
    while (!is_over(text_of(work, "state"))) {
        const double progress = number_of(work, "progress").value_or(0);
        if (progress >= shown + 0.1) {
            session.terminal.note(session.text(phrases::work_progress, fmt::format("{:.0f}%", progress * 100)));
            shown = progress;
        }
        session.terminal.sleep(wait);
        wait = std::min(wait * 2, std::chrono::milliseconds(500));
        work = get(session.api, where);
    }
    return work;
}

void require_success(Session& session, const json::object& work) {
    const std::string state = text_of(work, "state");
    if (state == "succeeded") return;
    if (state == "cancelled") throw CommandFailed(session.text(phrases::work_cancelled));
    const std::string code = text_of(work, "error_code"), message = text_of(work, "error");
    throw ApiError(0, code.empty() ? "INTERNAL" : code,
                   message.empty() ? session.text(phrases::unknown_reason) : message, {});
}

void show_skipped(Session& session, const json::object& result) {
    for (const json::value& value : array_of(result, "skipped")) {
        const json::object* row = value.if_object();
        if (row)
            session.terminal.note(
                session.text(phrases::skipped, printable(text_of(*row, "ref")), printable(text_of(*row, "reason"))));
    }
}

std::size_t given(std::initializer_list<std::string_view> texts) {
    std::size_t count = 0;
    for (const std::string_view text : texts)
        count += !text.empty();
    return count;
}

}  // namespace

int import_models(Session& session, const ImportOptions& options) {
    if (given({options.path, options.hf_cache, options.ollama}) != 1)
        throw WrongUsage(session.text(phrases::one_import_source));
    json::object work;
    if (!options.path.empty()) {
        json::object body{{"path", absolute(options.path)}, {"copy", options.copy}};
        if (!options.variant.empty()) body["variant"] = options.variant;
        work = post(session.api, {"models"}, std::move(body));
    } else {
        const bool is_cache = !options.hf_cache.empty();
        work = post(session.api, {"store", "imports"},
                    json::object{{"source", is_cache ? "hf-cache" : "ollama"},
                                 {"path", absolute(is_cache ? options.hf_cache : options.ollama)},
                                 {"copy", options.copy}});
    }
    const std::string id = text_of(work, "id");
    if (options.detach) {
        if (session.terminal.json) {
            session.terminal.print(work);
        } else {
            session.terminal.say(session.text(phrases::import_started));
        }
        return 0;
    }
    work = follow(session, std::move(work), {"store", "imports", id});
    require_success(session, work);
    if (session.terminal.json) {
        session.terminal.print(work);
        return 0;
    }
    const json::object result = object_of(work, "result");
    show_skipped(session, result);
    const auto count = [&](std::string_view key) { return count_of(result, key).value_or(0); };
    session.terminal.say(session.text(phrases::imported, array_of(result, "models").size(), count("already_here"),
                                      format_bytes(count("bytes")), count("reflinks"), count("hard_links"),
                                      count("copies")));
    return 0;
}

int link_models(Session& session, const LinkOptions& options) {
    if (given({options.hf_cache, options.ollama}) != 1) throw WrongUsage(session.text(phrases::one_layout));
    const bool is_cache = !options.hf_cache.empty();
    json::object body{{"layout", is_cache ? "hf-cache" : "ollama"},
                      {"path", absolute(is_cache ? options.hf_cache : options.ollama)}};
    if (!options.model.empty()) body["model_id"] = text_of(require_model(session, options.model), "id");
    const json::object result = post(session.api, {"store", "links"}, std::move(body));
    if (session.terminal.json) {
        session.terminal.print(result);
        return 0;
    }
    show_skipped(session, result);
    for (const json::value& value : array_of(result, "linked")) {
        if (const json::object* row = value.if_object()) session.terminal.say(printable(text_of(*row, "name")));
    }
    session.terminal.note(session.text(phrases::linked, array_of(result, "linked").size(),
                                       count_of(result, "hard_links").value_or(0),
                                       count_of(result, "symbolic_links").value_or(0)));
    return 0;
}

int collect_garbage(Session& session, const CollectOptions& options) {
    const json::object result = post(session.api, {"store", "gc"}, json::object{{"dry_run", options.dry_run}});
    if (session.terminal.json) {
        session.terminal.print(result);
        return 0;
    }
    const auto rows = array_of(result, "garbage");
    for (const json::value& value : rows) {
        const json::object* row = value.if_object();
        if (!row) continue;
        session.terminal.say(fmt::format("{}  {}  {}", pad_right(text_of(*row, "kind"), 5),
                                         pad_left(format_bytes(count_of(*row, "size").value_or(0)), 10),
                                         printable(text_of(*row, "name"))));
    }
    for (const json::value& value : array_of(result, "missing")) {
        if (value.is_string())
            session.terminal.note(session.text(phrases::missing_blob, printable(std::string(value.get_string()))));
    }
    const std::string size = format_bytes(count_of(result, "size").value_or(0));
    session.terminal.note(options.dry_run ? session.text(phrases::would_collect, rows.size(), size)
                                          : session.text(phrases::collected, rows.size(), size));
    return 0;
}

int verify(Session& session, const std::string& model, bool detach) {
    json::object task = model.empty()
                            ? post(session.api, {"store", "verify"})
                            : post(session.api, {"models", text_of(require_model(session, model), "id"), "verify"});
    const std::string id = text_of(task, "id");
    if (!detach) {
        task = follow(session, std::move(task), {"tasks", id});
        require_success(session, task);
    }
    if (session.terminal.json) {
        session.terminal.print(task);
    } else {
        session.terminal.say(session.text(detach ? phrases::verify_started : phrases::verified));
    }
    return 0;
}

}  // namespace llmm::app::cli
