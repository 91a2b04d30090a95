#pragma once
#include "base/ids/id.hpp"
#include "base/time/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::usage {

// What one request to a model has cost. Tokens and times that nobody knows are nullopt.
struct Usage {
    std::string id = make_uuid_v7();
    TimePoint at = now();    // when it arrived
    std::string caller;      // the name of who asked
    std::string model;       // canonical ref; as asked for when there is no such model
    std::string deployment;  // its name; empty when none was found
    std::string dialect;     // openai, anthropic, ollama; chat for our own sessions
    std::string operation;   // chat.completions, embeddings, …
    int status = 0;          // HTTP; 499 when the client left first
    bool streamed = false;
    std::optional<std::int64_t> tokens_in, tokens_out, tokens_cached;  // cached: of those in
    std::optional<double> first_token_ms;
    double total_ms = 0;
    std::string error;  // code of what went wrong, if anything

    bool operator==(const Usage&) const = default;
};

// The error of a request that was under way when the service died.
inline constexpr std::string_view kInterrupted = "INTERRUPTED";

enum class Grouping { day, model, caller, deployment, dialect };

struct UsageQuery {
    std::vector<Grouping> group_by;
    std::optional<TimePoint> from, to;  // to is exclusive
    std::string model, caller, deployment;
};

// Sums over the requests of one group.
struct UsageSum {
    std::vector<std::string> group;  // one value for each grouping
    std::int64_t requests = 0, failed = 0, cancelled = 0;
    std::int64_t tokens_in = 0, tokens_out = 0, tokens_cached = 0;
    std::optional<double> mean_first_token_ms, mean_total_ms;
};

std::string_view name_of(Grouping grouping);
std::optional<Grouping> parse_grouping(std::string_view text);

}  // namespace llmm::usage
