#include "app/cli/failure.hpp"

#include "app/cli/connection.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/phrases.hpp"
#include "base/config/config.hpp"

#include <array>

namespace llmm::app::cli {
namespace {

struct Hint {
    std::string_view code;
    const Phrase& phrase;
};

constexpr std::array kHints = {
    Hint{"HUB_GATED", phrases::hint_gated},
    Hint{"HUB_TOKEN_REJECTED", phrases::hint_gated},
    Hint{"HUB_UNREACHABLE", phrases::hint_network},
    Hint{"HUB_BAD_RESPONSE", phrases::hint_network},
    Hint{"HUB_RATE_LIMITED", phrases::hint_later},
    Hint{"RATE_LIMITED", phrases::hint_later},
    Hint{"OVERLOADED", phrases::hint_later},
    Hint{"SHUTTING_DOWN", phrases::hint_later},
    Hint{"HUB_REPO_NOT_FOUND", phrases::hint_spelling},
    Hint{"HUB_REVISION_NOT_FOUND", phrases::hint_spelling},
    Hint{"HUB_FILE_NOT_FOUND", phrases::hint_spelling},
    Hint{"DISK_FULL", phrases::hint_disk},
    Hint{"DIGEST_MISMATCH", phrases::hint_again},
    Hint{"UNAUTHENTICATED", phrases::hint_key},
    Hint{"FORBIDDEN", phrases::hint_key},
    Hint{"MODEL_IN_USE", phrases::hint_in_use},
    Hint{"NAME_TAKEN", phrases::hint_name},
    Hint{"PORT_IN_USE", phrases::hint_port},
    Hint{"MODEL_NOT_FOUND", phrases::hint_pull},
    Hint{"MODEL_NOT_READY", phrases::hint_pull},
    Hint{"DEPLOYMENT_NOT_FOUND", phrases::hint_deployments},
    Hint{"ENGINE_UNAVAILABLE", phrases::hint_engine},
    Hint{"ENGINE_FAILED", phrases::hint_logs},
    Hint{"ENGINE_TIMEOUT", phrases::hint_logs},
    Hint{"INSUFFICIENT_MEMORY", phrases::hint_memory},
    Hint{"CONTEXT_EXCEEDED", phrases::hint_context},
};

// "  port: is too large (allowed: an integer from 1024 to 65535)", "  state: completed"
std::string detail_line(std::string_view name, const json::value& value, const Texts& text) {
    std::string line = "  " + printable(name) + ": ";
    const json::object* field = value.if_object();
    if (field && !text_of(*field, "problem").empty()) {
        line += printable(text_of(*field, "problem"));
        const std::string allowed = text_of(*field, "allowed");
        return allowed.empty() ? line : line + " (" + text(phrases::allowed_values, printable(allowed)) + ")";
    }
    if (value.is_string()) return line + printable(std::string_view(value.get_string()));
    return line + printable(json::serialize(value));
}

void report(const ApiError& error, const Terminal& terminal) {
    terminal.err << "llm-manager: " << printable(error.message()) << " [" << printable(error.code()) << "]\n";
    for (const auto& [name, value] : error.details()) {
        if (!value.is_null()) terminal.err << detail_line(name, value, terminal.text) << "\n";
    }
    // The hint is how llama-server is had; of another engine its message says what is missing.
    const std::string engine = text_of(error.details(), "engine");
    if (error.code() == "ENGINE_UNAVAILABLE" && !engine.empty() && engine != "llama-server") return;
    for (const Hint& hint : kHints) {
        if (hint.code == error.code()) terminal.err << terminal.text(hint.phrase) << "\n";
    }
}

}  // namespace

int report_failure(std::exception_ptr failure, const Terminal& terminal) {
    try {
        std::rethrow_exception(failure);
    } catch (const Interrupted&) {
        return kExitInterrupted;
    } catch (const ApiError& error) {
        report(error, terminal);
        return kFailed;
    } catch (const Unreachable& error) {
        terminal.err << "llm-manager: " << terminal.text(phrases::unreachable, error.url(), error.reason()) << "\n"
                     << terminal.text(phrases::start_service) << "\n";
        return kUnreachable;
    } catch (const ConfigError& error) {
        for (const std::string& problem : error.problems())
            terminal.err << "llm-manager: " << problem << "\n";
        return kWrongUsage;
    } catch (const WrongUsage& error) {
        terminal.err << "llm-manager: " << error.what() << "\n";
        return kWrongUsage;
    } catch (const std::exception& error) {
        terminal.err << "llm-manager: " << printable(error.what(), true) << "\n";
        return kFailed;
    }
}

}  // namespace llmm::app::cli
