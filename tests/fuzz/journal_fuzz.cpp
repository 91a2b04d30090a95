#include "features/downloads/journal.hpp"
#include "fuzz/fuzz_target.hpp"

#include <cstring>

using llmm::fuzz::check;

LLMM_FUZZ_TARGET(journal)(std::span<const std::byte> data) {
    // Whatever file the journal says it is of.
    std::uint64_t identity = 0;
    if (data.size() >= 16) std::memcpy(&identity, data.data() + 8, sizeof identity);
    const auto contents = llmm::downloads::parse_journal(data, identity);
    if (!contents) return;
    check(data.size() >= 64, "a journal has a header");
    for (const auto& [begin, segment] : contents->segments)
        check(begin < segment.end, "a segment has bytes");
    for (const auto& midstate : contents->midstates)
        check(midstate.bytes > 0 && midstate.bytes % 64 == 0, "a midstate stands between two blocks");
}
