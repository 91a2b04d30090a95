#include "features/benchmarks/benchmark_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <algorithm>

#include <boost/json.hpp>

namespace llmm::benchmarks {
namespace {

// Long enough to make an engine read a prompt, without a topic that a small model would refuse.
constexpr std::string_view kPrompt =
    "Write a story about a lighthouse keeper who finds a message in a bottle, with as many details as you can.";
constexpr std::size_t kMaxLevels = 16;
constexpr int kMaxConcurrency = 512, kMaxRequests = 4096;

json::value to_json(const std::optional<Spread>& spread) {
    if (!spread) return nullptr;
    return json::object{
        {"mean", spread->mean}, {"p50", spread->p50}, {"p90", spread->p90}, {"p99", spread->p99}, {"max", spread->max}};
}

json::object to_json(const Plan& plan) {
    return {{"concurrency", json::value_from(plan.concurrency)},
            {"requests", plan.requests},
            {"prompt", plan.prompt},
            {"max_tokens", plan.max_tokens}};
}

json::object to_json(const Level& level) {
    json::object errors;
    int failed = 0;
    for (const auto& [code, count] : level.errors) {
        errors.emplace(code, count);
        failed += count;
    }
    return {{"concurrency", level.concurrency},
            {"requests", level.requests},
            {"failed", failed},
            {"errors", std::move(errors)},
            {"seconds", level.seconds},
            {"prompt_tokens", level.prompt_tokens},
            {"completion_tokens", level.completion_tokens},
            {"tokens_per_second", level.tokens_per_second},
            {"requests_per_second", level.requests_per_second},
            {"time_to_first_token_ms", to_json(level.time_to_first_token)},
            {"inter_token_ms", to_json(level.inter_token)},
            {"total_ms", to_json(level.total)}};
}

json::array to_json(const std::vector<Level>& levels) {
    json::array list;
    for (const Level& level : levels)
        list.push_back(to_json(level));
    return list;
}

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

std::optional<Spread> spread_from(const json::value& value) {
    if (!value.is_object()) return std::nullopt;
    const auto number = [&](const char* name) { return value.at(name).to_number<double>(); };
    return Spread{number("mean"), number("p50"), number("p90"), number("p99"), number("max")};
}

}  // namespace

Plan parse_plan(const json::value& body) {
    ObjectReader in(body);
    Plan plan;
    if (const auto levels =
            in.integers("concurrency", {.min_items = 1, .max_items = kMaxLevels}, {.min = 1, .max = kMaxConcurrency})) {
        plan.concurrency.assign(levels->begin(), levels->end());
    }
    plan.requests = static_cast<int>(in.integer("requests", {.min = 1, .max = kMaxRequests}).value_or(plan.requests));
    plan.max_tokens = static_cast<int>(in.integer("max_tokens", {.min = 1, .max = 4096}).value_or(plan.max_tokens));
    plan.prompt = in.string("prompt", {.min_length = 1, .max_length = 100'000}).value_or(std::string(kPrompt));
    in.finish();
    return plan;
}

json::value to_json(const Benchmark& benchmark) {
    return json::object{
        {"id", benchmark.id.str()},
        {"deployment_id", benchmark.deployment_id ? json::value(benchmark.deployment_id->str()) : json::value(nullptr)},
        {"deployment_name", benchmark.deployment_name},
        {"model_ref", benchmark.model_ref},
        {"engine", benchmark.engine},
        {"status", name_of(benchmark.status)},
        {"plan", to_json(benchmark.plan)},
        {"levels", to_json(benchmark.levels)},
        {"error_code", or_null(benchmark.error_code)},
        {"error_message", or_null(benchmark.error_message)},
        {"created_at", to_rfc3339(benchmark.created_at)},
        {"updated_at", to_rfc3339(benchmark.updated_at)}};
}

std::string to_text(const Plan& plan) {
    return json::serialize(to_json(plan));
}

std::string to_text(const std::vector<Level>& levels) {
    return json::serialize(to_json(levels));
}

Plan plan_from_text(std::string_view text) {
    const json::value value = parse_own_json(text);
    Plan plan;
    plan.concurrency = json::value_to<std::vector<int>>(value.at("concurrency"));
    plan.requests = value.at("requests").to_number<int>();
    plan.prompt = std::string(value.at("prompt").as_string());
    plan.max_tokens = value.at("max_tokens").to_number<int>();
    return plan;
}

std::vector<Level> levels_from_text(std::string_view text) {
    std::vector<Level> levels;
    const json::value list = parse_own_json(text);
    for (const json::value& value : list.as_array()) {
        Level level;
        level.concurrency = value.at("concurrency").to_number<int>();
        level.requests = value.at("requests").to_number<int>();
        for (const auto& [code, count] : value.at("errors").as_object())
            level.errors.emplace(code, count.to_number<int>());
        level.seconds = value.at("seconds").to_number<double>();
        level.prompt_tokens = value.at("prompt_tokens").to_number<std::int64_t>();
        level.completion_tokens = value.at("completion_tokens").to_number<std::int64_t>();
        level.tokens_per_second = value.at("tokens_per_second").to_number<double>();
        level.requests_per_second = value.at("requests_per_second").to_number<double>();
        level.time_to_first_token = spread_from(value.at("time_to_first_token_ms"));
        level.inter_token = spread_from(value.at("inter_token_ms"));
        level.total = spread_from(value.at("total_ms"));
        levels.push_back(std::move(level));
    }
    return levels;
}

}  // namespace llmm::benchmarks
