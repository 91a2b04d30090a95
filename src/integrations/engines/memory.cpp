#include "integrations/engines/memory.hpp"

#include <algorithm>

namespace llmm::engines {

namespace {

constexpr std::uint64_t kEngineItself = 24 << 20;

}  // namespace

std::string_view name_of(Place place) {
    return place == Place::host ? "host" : "gpu";
}

std::optional<std::uint64_t> MemoryEstimate::total(Place place) const {
    const bool unknown =
        std::ranges::any_of(terms, [&](const MemoryTerm& term) { return term.place == place && !term.bytes; });
    return unknown ? std::nullopt : std::optional(at_least(place));
}

std::uint64_t MemoryEstimate::at_least(Place place) const {
    std::uint64_t sum = 0;
    for (const MemoryTerm& term : terms) {
        if (term.place == place) sum += term.bytes.value_or(0);
    }
    return sum;
}

bool MemoryEstimate::is_known() const {
    return std::ranges::all_of(terms, [](const MemoryTerm& term) { return term.bytes.has_value(); });
}

std::optional<std::uint64_t> MemoryEstimate::resident() const {
    const auto host = total(Place::host);
    return host ? std::optional(*host + reclaimable) : std::nullopt;
}

std::uint64_t rough_need(std::uint64_t file_bytes) {
    return file_bytes + file_bytes / 10 + kEngineItself;
}

}  // namespace llmm::engines
