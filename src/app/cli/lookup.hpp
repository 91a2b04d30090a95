#pragma once
#include "app/cli/terminal.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::app::cli {

// A reference of a hub, not a bare name: it has a source, a host or an owner.
bool looks_like_ref(std::string_view text);
// Whether the canonical reference `ref` ("huggingface:org/name@commit:Q4_K_M") is what `asked` means: the
// usual spellings of the source, without a commit any commit, without a variant any variant.
bool ref_matches(std::string_view asked, std::string_view ref);

// The local model that `asked` names by id, reference or name. nullopt when there is none; CommandFailed when
// there are several.
std::optional<json::object> find_model(Session& session, const std::string& asked);
// The same, but CommandFailed when there is none.
json::object require_model(Session& session, const std::string& asked);

std::vector<json::object> list_deployments(Session& session);
// The best deployment of a model, running ones first.
std::optional<json::object> deployment_of_model(const std::vector<json::object>& deployments,
                                                const std::string& model_id);

}  // namespace llmm::app::cli
