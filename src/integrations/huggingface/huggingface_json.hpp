#pragma once
#include "integrations/hub.hpp"

#include <string>
#include <string_view>
#include <vector>

// The hub's JSON. Nothing else knows its field names.
//
// What only describes a model (counts, tags, dates) counts as unknown when it is missing or of another type.
// What a download relies on (names, sizes, digests) must be right: HUB_BAD_RESPONSE says which field is not
// and why.
namespace llmm::hubs::huggingface {

// What to ask for in a search; without it the hub leaves out half of a summary.
inline constexpr std::string_view kSearchFields[] = {"author",       "downloads", "likes",        "tags",
                                                     "pipeline_tag", "gated",     "lastModified", "private"};

std::vector<ModelSummary> parse_search(std::string_view body);

struct ModelInfo {
    ModelSummary summary;
    std::string commit;
    bool disabled = false;
    std::vector<RemoteFile> files;
    bool has_sizes = false;  // of every file
};
ModelInfo parse_model_info(std::string_view body);

// One page of a tree; directories are left out.
std::vector<RemoteFile> parse_tree(std::string_view body);

std::vector<Category> parse_categories(std::string_view body);

// What the body of a refusal says for people; empty when it says nothing.
std::string parse_error_message(std::string_view body);

}  // namespace llmm::hubs::huggingface
