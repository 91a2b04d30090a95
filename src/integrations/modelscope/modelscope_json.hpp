#pragma once
#include "integrations/hub.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// ModelScope's JSON. Nothing else knows its field names. What only describes a model counts as unknown when it is
// missing or of another type; what a download relies on (names, sizes, digests) must be right: HUB_BAD_RESPONSE says
// which field is not and why.
namespace llmm::hubs::modelscope {

struct SearchResult {
    std::vector<ModelSummary> models;
    std::int64_t total = 0;
};
SearchResult parse_search(std::string_view body);
ModelSummary parse_detail(std::string_view body);

struct FileList {
    std::vector<RemoteFile> files;  // folders are left out
    std::string commit;             // of the file committed last; empty when the list doesn't tell
};
FileList parse_files(std::string_view body);

// An answer may be a refusal whatever its status: {"Code":…,"Success":false,"Message":…}.
struct Refusal {
    std::int64_t code = 0;
    std::string message;
};
std::optional<Refusal> parse_refusal(std::string_view body);

// "owner/name", each part of letters, digits and "._-", at most 96, no dot at its ends and no "..".
bool is_repo(std::string_view text);

}  // namespace llmm::hubs::modelscope
