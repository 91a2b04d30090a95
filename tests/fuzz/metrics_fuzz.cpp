#include "fuzz/fuzz_target.hpp"
#include "integrations/engines/metrics.hpp"

#include <cmath>

LLMM_FUZZ_TARGET(metrics)(std::span<const std::byte> data) {
    const std::string_view text = llmm::fuzz::as_text(data);
    const auto samples = llmm::engines::parse_samples(text);
    for (const auto& [name, value] : samples)
        llmm::fuzz::check(!name.empty() && text.contains(name), "a name that the text does not have");
    llmm::engines::map_metrics({{"requests_running", "a"}, {"time_to_first_token_seconds", "t"}}, samples);
}
