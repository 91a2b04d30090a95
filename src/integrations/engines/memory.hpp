#pragma once
#include "base/error/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What an engine will need, as a sum whose terms can be shown.
namespace llmm::engines {

enum class Place { host, gpu };
std::string_view name_of(Place place);

struct MemoryTerm {
    std::string_view name;  // "weights", "kv_cache", …
    Place place = Place::host;
    std::optional<std::uint64_t> bytes;  // nullopt: not known, `how` says why
    Text how;                            // the calculation in words
};

struct MemoryEstimate {
    std::vector<MemoryTerm> terms;
    // Pages of the file that stay mapped though their content was copied: they show as resident, and the kernel may
    // drop them at any time.
    std::uint64_t reclaimable = 0;

    // nullopt when a term is unknown.
    std::optional<std::uint64_t> total(Place place) const;
    // The terms that are known: no less than this.
    std::uint64_t at_least(Place place) const;
    bool is_known() const;
    // What the process will show as resident at most: the host's sum with what is reclaimable.
    std::optional<std::uint64_t> resident() const;
};

// When nothing but the size of the files is known: a tenth more than the weights for the context and the engine's own
// buffers, and the engine itself. Rough, and said to be so.
std::uint64_t rough_need(std::uint64_t file_bytes);

}  // namespace llmm::engines
