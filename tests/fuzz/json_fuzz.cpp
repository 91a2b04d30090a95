#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "fuzz/fuzz_target.hpp"

#include <boost/json.hpp>

namespace {

using llmm::fuzz::check;

std::size_t depth_of(const llmm::json::value& value) {
    std::size_t deepest = 0;
    if (const auto* array = value.if_array()) {
        for (const auto& item : *array)
            deepest = std::max(deepest, depth_of(item));
        return deepest + 1;
    }
    if (const auto* object = value.if_object()) {
        for (const auto& member : *object)
            deepest = std::max(deepest, depth_of(member.value()));
        return deepest + 1;
    }
    return 0;
}

}  // namespace

LLMM_FUZZ_TARGET(json)(std::span<const std::byte> data) {
    llmm::json::value value;
    try {
        value = llmm::parse_json(llmm::fuzz::as_text(data));
    } catch (const llmm::Error& error) {
        check(error.code() == llmm::ErrorCode::malformed_json || error.code() == llmm::ErrorCode::validation_failed,
              "bad JSON is the sender's mistake");
        return;
    }
    check(depth_of(value) <= llmm::kMaxJsonDepth, "nesting is bounded");
    // Throws when what was read can't be written and read again. Equality is not asked for: the library
    // rounds numbers.
    check(llmm::parse_json(llmm::json::serialize(value)).kind() == value.kind(), "writing keeps the kind");
}
