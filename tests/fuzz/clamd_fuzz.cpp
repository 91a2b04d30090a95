#include "base/error/error.hpp"
#include "fuzz/fuzz_target.hpp"
#include "integrations/clamav/verdict.hpp"

#include <algorithm>

LLMM_FUZZ_TARGET(clamd)(std::span<const std::byte> data) {
    using llmm::fuzz::check;
    const std::string_view answer = llmm::fuzz::as_text(data);
    const std::string_view line = answer.substr(0, answer.find('\0'));
    try {
        const auto found = llmm::clamav::read_verdict(answer);
        check(found || line == "stream: OK", "only clamd's own words make a file clean");
        check(!found || line.ends_with(" FOUND"), "what was found has a name");
        check(!found || (!found->empty() && found->size() <= 200), "a name has bounds");
        check(!found || std::ranges::all_of(*found, [](char c) { return c >= 0x20 && c <= 0x7e; }),
              "a name is printable");
        check(llmm::clamav::read_verdict(line) == found, "nothing behind the zero byte counts");
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::scan_unavailable, "another error");
        check(line != "stream: OK", "a clean file is clean");
    }
}
