#include "app/cli/lookup.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/phrases.hpp"
#include "base/error/error.hpp"
#include "features/models/model_ref.hpp"

#include <algorithm>
#include <cctype>

namespace llmm::app::cli {
namespace {

std::optional<models::ModelRef> parsed(std::string_view text) {
    try {
        return models::parse_model_ref(text);
    } catch (const Error&) {
        return std::nullopt;  // a name, not a reference
    }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

bool looks_like_ref(std::string_view text) {
    return text.find_first_of(":/") != std::string_view::npos;
}

bool ref_matches(std::string_view asked, std::string_view ref) {
    if (asked == ref) return true;
    if (!looks_like_ref(asked)) return false;
    const auto a = parsed(asked), b = parsed(ref);
    return a && b && a->source == b->source && a->repo == b->repo &&
           (a->revision.empty() || b->revision.starts_with(a->revision)) &&
           (a->variant.empty() || equal_ignoring_case(a->variant, b->variant));
}

std::optional<json::object> find_model(Session& session, const std::string& asked) {
    std::vector<json::object> matches;
    for (json::object& model : list(session.api, {"models"})) {
        if (text_of(model, "id") == asked || text_of(model, "ref") == asked) return std::move(model);
        if (text_of(model, "name") == asked || ref_matches(asked, text_of(model, "ref")))
            matches.push_back(std::move(model));
    }
    if (matches.empty()) return std::nullopt;
    if (matches.size() == 1) return std::move(matches.front());
    std::string problem = session.text(phrases::ambiguous_model, asked);
    for (const json::object& model : matches)
        problem += "\n  " + text_of(model, "id") + "  " + text_of(model, "ref");
    throw CommandFailed(problem);
}

json::object require_model(Session& session, const std::string& asked) {
    auto model = find_model(session, asked);
    if (!model) throw CommandFailed(session.text(phrases::no_such_model, asked));
    return std::move(*model);
}

std::vector<json::object> list_deployments(Session& session) {
    return list(session.api, {"deployments"});
}

std::optional<json::object> deployment_of_model(const std::vector<json::object>& deployments,
                                                const std::string& model_id) {
    std::optional<json::object> best;
    for (const json::object& deployment : deployments) {
        if (text_of(deployment, "model_id") != model_id) continue;
        if (!best || text_of(deployment, "status") == "running") best = deployment;
    }
    return best;
}

}  // namespace llmm::app::cli
