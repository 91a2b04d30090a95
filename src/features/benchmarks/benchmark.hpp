#pragma once
#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "base/time/time.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::benchmarks {

using BenchmarkId = Id<struct BenchmarkTag>;

enum class Status { queued, running, completed, failed, cancelled };
std::string_view name_of(Status status);
std::optional<Status> parse_status(std::string_view text);

// What is measured: each level sends so many requests, so many of them at a time.
struct Plan {
    std::vector<int> concurrency{1, 2, 4, 8};
    int requests = 16;  // a level; at least as many as are sent at a time
    std::string prompt;
    int max_tokens = 64;
    friend bool operator==(const Plan&, const Plan&) = default;
};

// Milliseconds. Empty when nothing was measured.
struct Spread {
    double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
    friend bool operator==(const Spread&, const Spread&) = default;
};
std::optional<Spread> spread_of(std::vector<double> samples);

struct Level {
    int concurrency = 1, requests = 0;
    std::map<std::string, int> errors = {};  // requests that failed, by error code
    double seconds = 0;                      // from the first request to the last answer
    std::int64_t prompt_tokens = 0, completion_tokens = 0;
    double tokens_per_second = 0, requests_per_second = 0;  // of all requests together that succeeded
    std::optional<Spread> time_to_first_token = {}, inter_token = {}, total = {};
    friend bool operator==(const Level&, const Level&) = default;
};

struct Benchmark {
    BenchmarkId id;
    std::optional<DeploymentId> deployment_id = {};  // empty once it is deleted
    std::string deployment_name, model_ref, engine;
    Status status = Status::queued;
    Plan plan = {};
    std::vector<Level> levels = {};  // those that are done
    std::optional<std::string> error_code = {}, error_message = {};
    TimePoint created_at{}, updated_at{};
};

// One request as it went.
struct Sample {
    std::optional<ErrorCode> failure = {};
    double first_ms = 0, total_ms = 0;  // until the first text, until the end
    std::vector<double> gaps_ms = {};   // between two pieces of text
    std::int64_t prompt_tokens = 0, completion_tokens = 0;
};
Level level_of(int concurrency, std::chrono::duration<double> took, const std::vector<Sample>& samples);

}  // namespace llmm::benchmarks
