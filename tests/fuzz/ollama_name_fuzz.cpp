#include "base/fs/safe_path.hpp"
#include "fuzz/fuzz_target.hpp"
#include "integrations/ollama/ollama_name.hpp"

#include <algorithm>

using llmm::fuzz::check;
using llmm::hubs::ollama::Name;

// A name from outside is refused or means the same when it is written and read again; none of its parts could climb out
// of a path or of a URL.
LLMM_FUZZ_TARGET(ollama_name)(std::span<const std::byte> data) {
    const auto name = Name::parse(llmm::fuzz::as_text(data));
    if (!name) return;
    check(Name::parse(name->str()) == name, "its text means itself");
    for (const std::string& part : {name->owner, name->model, name->tag}) {
        check(!part.empty() && part != "." && part != "..", "no part is empty or climbs");
        check(std::ranges::none_of(part,
                                   [](char c) {
                                       return c == '/' || c == '\\' || c == ':' || c == '%' || c == '?' || c == '#' ||
                                              c == '@' || c <= ' ' || c > '~';
                                   }),
              "no part has a character with a meaning");
    }
    check(name->host.find_first_of("/\\@?#%") == std::string::npos, "the host is only a host");
}
