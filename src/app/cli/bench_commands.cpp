#include "app/cli/bench_commands.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/progress.hpp"
#include "app/cli/table.hpp"

#include <fmt/format.h>

namespace llmm::app::cli {
namespace {

constexpr std::chrono::milliseconds kLookInterval{300};
constexpr std::size_t kShownBenchmarks = 50;

json::object plan_of(const BenchOptions& options) {
    json::object plan;
    if (!options.concurrency.empty()) plan["concurrency"] = json::value_from(options.concurrency);
    if (options.requests) plan["requests"] = *options.requests;
    if (options.max_tokens) plan["max_tokens"] = *options.max_tokens;
    if (!options.prompt.empty()) plan["prompt"] = options.prompt;
    return plan;
}

bool has_ended(const json::object& benchmark) {
    const std::string status = text_of(benchmark, "status");
    return status != "queued" && status != "running";
}

std::string number(const json::object& object, std::string_view key, int decimals) {
    const auto value = number_of(object, key);
    return value ? fmt::format("{:.{}f}", *value, decimals) : std::string("-");
}

// "p50 / p99" of a spread.
std::string spread(const json::object& level, std::string_view key) {
    const json::object values = object_of(level, key);
    return values.empty() ? "-" : number(values, "p50", 1) + " / " + number(values, "p99", 1);
}

std::string table_of(const json::object& benchmark, const Texts& text, std::size_t width) {
    Table table({{text(phrases::column_concurrency), Align::right},
                 {text(phrases::column_requests), Align::right},
                 {text(phrases::column_failed), Align::right},
                 {text(phrases::column_tokens_per_second), Align::right},
                 {text(phrases::column_requests_per_second), Align::right},
                 {text(phrases::column_first_token), Align::right},
                 {text(phrases::column_inter_token), Align::right},
                 {text(phrases::column_total_time), Align::right}});
    for (const json::value& value : array_of(benchmark, "levels")) {
        if (!value.is_object()) continue;
        const json::object& level = value.get_object();
        table.add({number(level, "concurrency", 0), number(level, "requests", 0), number(level, "failed", 0),
                   number(level, "tokens_per_second", 1), number(level, "requests_per_second", 2),
                   spread(level, "time_to_first_token_ms"), spread(level, "inter_token_ms"),
                   spread(level, "total_ms")});
    }
    return table.str(width);
}

void fail_unless_completed(const json::object& benchmark, const Texts& text) {
    const std::string status = text_of(benchmark, "status");
    if (status == "completed") return;
    if (status == "cancelled") throw CommandFailed(text(phrases::cancelled_elsewhere));
    const std::string message = text_of(benchmark, "error_message");
    throw ApiError(0, text_of(benchmark, "error_code"), message.empty() ? text(phrases::unknown_reason) : message, {});
}

json::object follow(Session& session, const std::string& id, const std::string& task) {
    Terminal& terminal = session.terminal;
    std::size_t drawn = 0;
    try {
        while (true) {
            json::object benchmark = get(session.api, {"benchmarks", id});
            const bool ended = has_ended(benchmark);
            if (terminal.err_is_live) {
                const std::size_t done = array_of(benchmark, "levels").size();
                const std::size_t all = array_of(object_of(benchmark, "plan"), "concurrency").size();
                std::vector<std::string> lines;
                if (!ended)
                    lines.push_back(session.text(phrases::measuring, std::to_string(done), std::to_string(all)));
                terminal.err << redraw(drawn, lines) << std::flush;
                drawn = lines.size();
            }
            if (ended) return benchmark;
            terminal.sleep(kLookInterval);
        }
    } catch (const Interrupted&) {
        clear_interrupt();
        post(session.api, {"tasks", task, "cancel"});
        throw;
    }
}

}  // namespace

int bench(Session& session, const BenchOptions& options) {
    const json::object task = post(session.api, {"deployments", options.deployment, "benchmark"}, plan_of(options));
    const json::object benchmark = follow(session, text_of(task, "subject"), text_of(task, "id"));
    if (session.terminal.json) {
        session.terminal.print(benchmark);
    } else {
        session.terminal.out << table_of(benchmark, session.text, session.terminal.table_width()) << std::flush;
        session.terminal.note(session.text(phrases::spread_note));
    }
    fail_unless_completed(benchmark, session.text);
    return 0;
}

int list_benchmarks(Session& session) {
    const auto benchmarks = list(session.api, {"benchmarks"}, {}, kShownBenchmarks);
    const Texts& text = session.text;
    if (session.terminal.json) {
        session.terminal.print(json::value{{"items", json::array(benchmarks.begin(), benchmarks.end())}});
        return 0;
    }
    if (benchmarks.empty()) {
        session.terminal.note(text(phrases::no_benchmarks));
        return 0;
    }
    Table table({{text(phrases::column_name)},
                 {text(phrases::column_status)},
                 {text(phrases::column_concurrency), Align::right},
                 {text(phrases::column_tokens_per_second), Align::right},
                 {text(phrases::column_first_token), Align::right},
                 {text(phrases::column_updated)},
                 {text(phrases::column_model)}});
    for (const json::object& benchmark : benchmarks) {
        // The level that made the most of the engine stands for the whole.
        json::object best;
        for (const json::value& level : array_of(benchmark, "levels")) {
            if (level.is_object() && number_of(level.get_object(), "tokens_per_second").value_or(0) >=
                                         number_of(best, "tokens_per_second").value_or(0)) {
                best = level.get_object();
            }
        }
        table.add({text_of(benchmark, "deployment_name"), text_of(benchmark, "status"), number(best, "concurrency", 0),
                   number(best, "tokens_per_second", 1), spread(best, "time_to_first_token_ms"),
                   text_of(benchmark, "updated_at"), text_of(benchmark, "model_ref")});
    }
    session.terminal.out << table.str(session.terminal.table_width());
    return 0;
}

}  // namespace llmm::app::cli
