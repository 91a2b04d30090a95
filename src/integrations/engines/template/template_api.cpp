#include "integrations/engines/template/template_api.hpp"

#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::engines {
namespace {

constexpr std::chrono::seconds kConnectLimit{2};
constexpr std::chrono::seconds kAnswerLimit{10};
constexpr std::size_t kMaxAnswer = 4 << 20;
constexpr int kUnavailable = 503;

UpstreamRequest get(std::string target) {
    return {.method = "GET",
            .target = std::move(target),
            .connect_timeout = kConnectLimit,
            .head_timeout = kAnswerLimit,
            .read_timeout = kAnswerLimit};
}

// The body of a 200; nullopt for anything else.
Task<std::optional<std::string>> fetch(Upstream& engine, std::string target) {
    try {
        UpstreamResponse response = co_await engine.send(get(std::move(target)));
        std::string body = co_await response.read_all(kMaxAnswer);
        if (response.status() == 200) co_return body;
    } catch (const HttpError&) {
    }
    co_return std::nullopt;
}

Task<json::value> fetch_json(Upstream& engine, std::string target) {
    const auto body = co_await fetch(engine, std::move(target));
    if (!body) co_return json::value();
    try {
        co_return parse_json(*body);
    } catch (const Error&) {
        co_return json::value();
    }
}

json::value at(const json::value& value, std::string_view pointer) {
    boost::system::error_code missing;
    const json::value* found = value.find_pointer(pointer, missing);
    return found ? *found : json::value();
}

json::value whole_number(const json::value& value) {
    return value.is_int64() && value.get_int64() >= 0 ? value : json::value();
}

json::value text(const json::value& value) {
    return value.is_string() ? value : json::value();
}

}  // namespace

Task<Health> probe_path(Upstream& engine, std::string path) {
    try {
        UpstreamResponse response = co_await engine.send(get(std::move(path)));
        co_await response.read_all(kMaxAnswer);
        if (response.status() == 200) co_return Health::ready;
        co_return response.status() == kUnavailable ? Health::loading : Health::failed;
    } catch (const HttpError& error) {
        co_return error.failure() == HttpFailure::connect ? Health::loading : Health::failed;
    }
}

Task<std::string> describe_engine(Upstream& engine) {
    const json::value models = co_await fetch_json(engine, "/v1/models");
    if (!at(models, "/data").is_array()) {
        throw Error(ErrorCode::engine_failed,
                    Text{"the engine does not list its models as expected", "引擎未按预期列出模型"});
    }
    const json::value props = co_await fetch_json(engine, "/props");
    const json::value version = co_await fetch_json(engine, "/version");
    json::value per_slot = whole_number(at(props, "/default_generation_settings/n_ctx"));
    if (per_slot.is_null()) per_slot = whole_number(at(models, "/data/0/max_model_len"));
    const json::value parallel = whole_number(at(props, "/total_slots"));
    // Slots may share what there is: with more than one of them nothing tells the sum.
    json::value total;
    if (parallel.is_int64() && parallel.get_int64() == 1) total = per_slot;
    json::value build = text(at(props, "/build_info"));
    if (build.is_null()) build = text(at(version, "/version"));
    co_return json::serialize(json::object{{"context_size", total},
                                           {"context_per_slot", per_slot},
                                           {"parallel", parallel},
                                           {"engine_version", build},
                                           {"model", text(at(models, "/data/0/id"))}});
}

}  // namespace llmm::engines
