#include "features/gateway/answer_scan.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <algorithm>
#include <cstring>

#include <boost/json.hpp>

namespace llmm::gateway {
namespace {

std::size_t find(std::string_view text, std::string_view part) {
    const void* found = ::memmem(text.data(), text.size(), part.data(), part.size());
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

// The object that begins at `start`; empty when it does not end.
std::string_view object_at(std::string_view text, std::size_t start) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = start; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{') {
            ++depth;
        } else if (c == '}' && --depth == 0) {
            return text.substr(start, i + 1 - start);
        }
    }
    return {};
}

// The value of a key that is an object, wherever it stands last in the text.
std::string_view object_of(std::string_view text, std::string_view key) {
    std::string_view last;
    std::size_t at = 0;
    for (;;) {
        const std::size_t place = find(text.substr(at), key);
        if (place == std::string_view::npos) return last;
        at += place + key.size();
        const std::size_t value = text.find_first_not_of(" \t\r\n", at);
        if (value == std::string_view::npos || text[value] != '{') continue;
        if (const auto object = object_at(text, value); !object.empty()) last = object;
    }
}

std::optional<std::int64_t> count(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
    return value->get_int64();
}

std::optional<std::int64_t> nested_count(const json::object& object, std::string_view outer, std::string_view name) {
    const json::value* value = object.if_contains(outer);
    return value && value->is_object() ? count(value->get_object(), name) : std::nullopt;
}

std::optional<std::int64_t> sum(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
    if (!a) return b;
    return *a + b.value_or(0);
}

void take(std::optional<std::int64_t>& place, std::optional<std::int64_t> value) {
    if (value) place = value;
}

}  // namespace

void AnswerScan::read_counts(std::string_view text, bool is_usage) {
    json::object object;
    try {
        object = parse_json(text).as_object();
    } catch (const Error&) {
        return;
    }
    if (!is_usage) {  // llama-server's timings: prompt_n leaves out what was cached
        take(tokens_.cached, count(object, "cache_n"));
        take(tokens_.in, sum(count(object, "prompt_n"), count(object, "cache_n")));
        take(tokens_.out, count(object, "predicted_n"));
        return;
    }
    has_usage_ = true;
    take(tokens_.in, count(object, "prompt_tokens"));
    take(tokens_.out, count(object, "completion_tokens"));
    take(tokens_.out, count(object, "output_tokens"));
    take(tokens_.cached, nested_count(object, "prompt_tokens_details", "cached_tokens"));
    take(tokens_.cached, nested_count(object, "input_tokens_details", "cached_tokens"));
    const auto cache_read = count(object, "cache_read_input_tokens");  // Anthropic: input_tokens leaves them out
    take(tokens_.cached, cache_read);
    if (const auto input = count(object, "input_tokens")) tokens_.in = sum(input, cache_read);
}

void AnswerScan::feed(std::string_view text) {
    begun_ = begun_ || text.starts_with('{') || find(text, "data: {") != std::string_view::npos ||
             find(text, "data:{") != std::string_view::npos;
    if (const auto usage = object_of(text, "\"usage\":"); !usage.empty()) {
        read_counts(usage, true);
    } else if (!has_usage_) {
        if (const auto timings = object_of(text, "\"timings\":"); !timings.empty()) read_counts(timings, false);
    }
    for (const std::string_view key : {"\"finish_reason\":\"", "\"stop_reason\":\""}) {
        const std::size_t place = find(text, key);
        if (place == std::string_view::npos) continue;
        const std::string_view rest = text.substr(place + key.size());
        finish_reason_ = rest.substr(0, std::min<std::size_t>(rest.find('"'), 64));
    }
}

bool has_usage_event(std::string_view events) {
    return find(events, "\"choices\":[]") != std::string_view::npos &&
           find(events, "\"usage\":{") != std::string_view::npos;
}

std::string without_usage_event(std::string_view events) {
    std::string kept;
    while (!events.empty()) {
        const std::size_t gap = events.find("\n\n");
        const std::size_t end = gap == std::string_view::npos ? events.size() : gap + 2;
        const std::string_view event = events.substr(0, end);
        if (!has_usage_event(event)) kept += event;
        events.remove_prefix(end);
    }
    return kept;
}

}  // namespace llmm::gateway
