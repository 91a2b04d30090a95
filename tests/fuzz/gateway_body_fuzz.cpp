#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/gateway/body_scan.hpp"
#include "features/gateway/gateway.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace {

using namespace llmm;

std::optional<json::value> parsed(std::string_view text) {
    try {
        return parse_json(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

LLMM_FUZZ_TARGET(gateway_body)(std::span<const std::byte> data) {
    const std::string_view text = fuzz::as_text(data);
    const auto value = parsed(text);
    const auto allowed = gateway::allowed_fields("llama-server");
    std::optional<gateway::ScannedBody> scanned;
    try {
        scanned = gateway::scan_body(text, allowed);
    } catch (const Error& error) {
        fuzz::check(!value || error.code() != ErrorCode::malformed_json, "what a parser takes is called malformed");
        return;
    }
    if (!value) return;  // UTF-8 and repeated fields of others are the engine's matter
    fuzz::check(value->is_object(), "only objects are taken");
    const json::value* model = value->get_object().if_contains("model");
    fuzz::check(model ? model->is_string() && model->get_string() == scanned->model : scanned->model.empty(),
                "another model");
    for (const bool usage : {false, true}) {
        const auto result = parsed(gateway::rewrite_body(std::string(text), *scanned, "other", usage));
        fuzz::check(result && result->is_object(), "the rewritten body is no object");
        for (const auto& member : result->get_object()) {
            fuzz::check(std::ranges::binary_search(allowed, std::string_view(member.key())),
                        "a field that is not allowed");
        }
        if (model) fuzz::check(result->get_object().at("model") == "other", "the name is not replaced");
    }
}
