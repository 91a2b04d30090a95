#include "base/crypto/digest.hpp"
#include "base/json/json.hpp"
#include "integrations/engines/llama_server/llama_server.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines::llama_server {
namespace {

// The engine answers both while it computes, so that these are for one that hangs.
constexpr std::chrono::seconds kConnectLimit{2};
constexpr std::chrono::seconds kAnswerLimit{10};
constexpr std::size_t kMaxAnswer = 4 << 20;  // a chat template can be long

UpstreamRequest get(std::string target) {
    return {.method = "GET",
            .target = std::move(target),
            .connect_timeout = kConnectLimit,
            .head_timeout = kAnswerLimit,
            .read_timeout = kAnswerLimit};
}

// null where the engine says nothing, or something of another type.
json::value at(const json::value& value, std::string_view pointer) {
    boost::system::error_code missing;
    const json::value* found = value.find_pointer(pointer, missing);
    return found ? *found : json::value();
}

json::value text_at(const json::value& value, std::string_view pointer) {
    json::value found = at(value, pointer);
    return found.is_string() ? std::move(found) : json::value();
}

[[noreturn]] void throw_bad_answer(std::string note) {
    throw Error(ErrorCode::engine_failed,
                Text{"the engine does not describe itself as expected", "引擎返回的自身信息不符合预期"})
        .with_log_note(std::move(note));
}

json::value parse_props(const std::string& body) {
    try {
        json::value props = parse_json(body);
        if (props.is_object()) return props;
    } catch (const Error& error) {
        throw_bad_answer(error.what());
    }
    throw_bad_answer("/props is not an object");
}

}  // namespace

Task<Health> health(Upstream& engine) {
    try {
        UpstreamResponse response = co_await engine.send(get("/health"));
        const std::string body = co_await response.read_all(kMaxAnswer);
        if (response.status() == 200) co_return Health::ready;
        // {"error":{"message":"Loading model","type":"unavailable_error","code":503}}
        co_return response.status() == 503 && body.contains("Loading model") ? Health::loading : Health::failed;
    } catch (const HttpError& error) {
        co_return error.failure() == HttpFailure::connect ? Health::loading : Health::failed;
    }
}

Task<json::object> effective(Upstream& engine) {
    std::string body;
    try {
        UpstreamResponse response = co_await engine.send(get("/props"));
        body = co_await response.read_all(kMaxAnswer);
        if (response.status() != 200) throw_bad_answer(fmt::format("/props: status {}", response.status()));
    } catch (const HttpError& error) {
        throw_bad_answer(fmt::format("/props: {}", error.what()));
    }
    const json::value props = parse_props(body);
    json::object result;
    result["context_size"] = at(props, "/default_generation_settings/n_ctx");
    result["parallel"] = at(props, "/total_slots");
    result["build"] = text_at(props, "/build_info");
    const json::value path = text_at(props, "/model_path");
    // Where the file lies is nobody's business.
    result["model_file"] = path.is_string()
                               ? json::value(std::filesystem::path(std::string(path.get_string())).filename().native())
                               : json::value();
    const json::value chat_template = text_at(props, "/chat_template");
    result["chat_template_sha256"] = chat_template.is_string()
                                         ? json::value(Sha256::of(std::string_view(chat_template.get_string())).hex())
                                         : json::value();
    result["modalities"] = at(props, "/modalities");
    result["sleeping"] = at(props, "/is_sleeping");
    co_return result;
}

}  // namespace llmm::engines::llama_server
