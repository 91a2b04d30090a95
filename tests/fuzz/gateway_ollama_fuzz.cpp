#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/gateway/ollama_json.hpp"
#include "fuzz/fuzz_target.hpp"

#include <boost/json.hpp>

using namespace llmm;
using namespace llmm::gateway;

// A body goes through every reader, and as an engine's answer through the writer.
LLMM_FUZZ_TARGET(gateway_ollama)(std::span<const std::byte> data) {
    const std::string_view text = fuzz::as_text(data);
    try {
        const json::value body = parse_json(text);
        const auto is_request = [](const Translated& asked) {
            return asked.body.empty() || parse_json(with_model(asked.body, "m")).get_object().at("model") == "m";
        };
        for (const auto read : {ollama::read_chat, ollama::read_generate}) {
            try {
                fuzz::check(is_request(read(body)), "no request");
            } catch (const Error&) {
            }
        }
        for (const auto read : {ollama::read_embed, ollama::read_embeddings}) {
            try {
                fuzz::check(is_request(read(body)), "no request");
            } catch (const Error&) {
            }
        }
    } catch (const Error&) {
    }
    try {
        ollama::AnswerWriter writer("m", true);
        const std::string line = writer.line(read_delta(text));
        fuzz::check(line.empty() || parse_json(line).is_object(), "a line that is no object");
        fuzz::check(parse_json(writer.last_line({}, true)).is_object(), "a last line that is no object");
    } catch (const Error& error) {
        fuzz::check(error.code() == ErrorCode::engine_failed, "another error than the engine's");
    }
}
