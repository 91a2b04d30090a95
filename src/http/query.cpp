#include "http/query.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace llmm::http {

namespace {
constexpr int kDefaultLimit = 50, kMaxLimit = 200;  // the contract's
}

void QueryReader::add_problem(std::string_view name, Text problem, Text allowed) {
    problems_.push_back({std::string(name), FieldProblem{std::move(problem), std::move(allowed)}});
}

const std::string* QueryReader::find(std::string_view name) {
    known_.emplace_back(name);
    const std::string* found = nullptr;
    for (const auto& [key, value] : request_.query) {
        if (key != name) continue;
        if (found) {
            add_problem(name, Text{"is given twice", "重复给出"});
            return nullptr;
        }
        found = &value;
    }
    return found;
}

std::optional<std::string> QueryReader::text(std::string_view name, std::size_t max_length) {
    const std::string* value = find(name);
    if (!value) return std::nullopt;
    if (value->size() > max_length) {
        add_problem(name, Text{"is too long", "过长"}, Text::format("at most {} bytes", "最多 {} 字节", max_length));
        return std::nullopt;
    }
    return *value;
}

std::string QueryReader::required_text(std::string_view name, std::size_t max_length) {
    const auto value = text(name, max_length);
    if ((!value || value->empty()) && problems_.empty()) {
        add_problem(name, Text{"is required", "为必填项"});
    }
    return value.value_or("");
}

std::optional<std::int64_t> QueryReader::integer(std::string_view name, std::int64_t min, std::int64_t max) {
    const std::string* value = find(name);
    if (!value) return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc{} || end != value->data() + value->size() || number < min || number > max) {
        add_problem(name, Text{"is no such number", "不是可用的数字"},
                    Text::format("an integer from {} to {}", "{} 到 {} 之间的整数", min, max));
        return std::nullopt;
    }
    return number;
}

std::optional<std::string> QueryReader::choice(std::string_view name, std::initializer_list<std::string_view> allowed) {
    const std::string* value = find(name);
    if (!value) return std::nullopt;
    if (std::find(allowed.begin(), allowed.end(), *value) == allowed.end()) {
        const std::string list = fmt::format("{}", fmt::join(allowed, ", "));
        add_problem(name, Text{"is none of the possible values", "不是可用的值"}, Text{list, list});
        return std::nullopt;
    }
    return *value;
}

bool QueryReader::flag(std::string_view name) {
    const auto value = choice(name, {"true", "false", "1", "0"});
    return value && (*value == "true" || *value == "1");
}

int QueryReader::limit() {
    return static_cast<int>(integer("limit", 1, kMaxLimit).value_or(kDefaultLimit));
}

std::string QueryReader::cursor() {
    return text("cursor", 2048).value_or("");
}

void QueryReader::finish() {
    for (const auto& [key, value] : request_.query) {
        if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
        const std::string list = fmt::format("{}", fmt::join(known_, ", "));
        add_problem(key, Text{"is not a known parameter", "不是已知参数"}, Text{list, list});
    }
    if (problems_.empty()) return;
    throw Error(ErrorCode::validation_failed,
                Text{"the query parameters are not valid; see details", "查询参数无效，详见 details"},
                std::move(problems_));
}

}  // namespace llmm::http
