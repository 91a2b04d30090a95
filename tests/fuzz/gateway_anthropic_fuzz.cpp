#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/gateway/anthropic_json.hpp"
#include "fuzz/fuzz_target.hpp"

#include <boost/json.hpp>

using namespace llmm;
using namespace llmm::gateway;

LLMM_FUZZ_TARGET(gateway_anthropic)(std::span<const std::byte> data) {
    const std::string_view text = fuzz::as_text(data);
    try {
        const auto asked = anthropic::read_messages(text);
        fuzz::check(parse_json(with_model(asked.body, "m")).get_object().at("messages").is_array(), "no request");
    } catch (const Error&) {
    }
    try {
        anthropic::EventWriter writer("m");
        const std::string events = writer.events(read_delta(text)) + writer.end({});
        fuzz::check(events.starts_with("event: message_start\n") && events.ends_with("\n\n"), "no stream");
        fuzz::check(parse_json(anthropic::answer("m", text, {})).is_object(), "no answer");
    } catch (const Error& error) {
        fuzz::check(error.code() == ErrorCode::engine_failed, "another error than the engine's");
    }
}
