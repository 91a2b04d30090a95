#include "fuzz/fuzz_target.hpp"
#include "integrations/engines/llama_server/startup_log.hpp"

LLMM_FUZZ_TARGET(startup_log)(std::span<const std::byte> data) {
    using llmm::fuzz::check;
    std::vector<std::string> lines(1);
    for (const char c : llmm::fuzz::as_text(data)) {
        if (c == '\n') {
            lines.emplace_back();
        } else {
            lines.back() += c;
        }
    }
    const auto found = llmm::engines::llama_server::read_startup_log(lines);
    check(found.gpu_layers.value_or(0) >= 0, "no number of layers is negative");
    check(found.cache_type_k.value_or("").size() <= 16 && found.cache_type_v.value_or("").size() <= 16,
          "types are short words");
}
