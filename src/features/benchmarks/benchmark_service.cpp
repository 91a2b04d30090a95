#include "features/benchmarks/benchmark_service.hpp"

#include "base/async/task_group.hpp"
#include "features/chat/completion_json.hpp"
#include "features/chat/completion_stream.hpp"
#include "features/chat/engine_call.hpp"

#include <algorithm>
#include <exception>

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace llmm::benchmarks {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kKind = "benchmark_deployment";
constexpr auto kEngineWait = 300s, kAnswerWait = 600s, kStallWait = 120s;
constexpr std::size_t kMaxErrorBody = 1 << 20;

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

[[noreturn]] void no_benchmark(const BenchmarkId& id) {
    fail(ErrorCode::not_found, "there is no benchmark {}", "基准测试 {} 不存在", id.str());
}

Task<> send_one(const chat::Engine& engine, std::string body, Sample& sample) {
    const auto begin = Clock::now();
    auto last = begin;
    UpstreamResponse response = co_await engine.upstream->send({.method = "POST",
                                                                .target = "/v1/chat/completions",
                                                                .headers = {{"Content-Type", "application/json"}},
                                                                .body = std::move(body),
                                                                .head_timeout = kAnswerWait,
                                                                .read_timeout = kStallWait});
    if (response.status() != 200) {
        const std::string refusal = co_await response.read_all(kMaxErrorBody);
        throw chat::completion_error(response.status(), refusal);
    }
    chat::CompletionStream stream;
    std::int64_t pieces = 0;
    while (!stream.done()) {
        const auto bytes = co_await response.read_some();
        if (!bytes) {
            stream.close();
            break;
        }
        std::string text;
        stream.feed(*bytes, text);
        if (text.empty()) continue;
        const auto now = Clock::now();
        if (pieces++ == 0) {
            sample.first_ms = milliseconds(now - begin);
        } else {
            sample.gaps_ms.push_back(milliseconds(now - last));
        }
        last = now;
    }
    sample.total_ms = milliseconds(Clock::now() - begin);
    if (pieces == 0) sample.first_ms = sample.total_ms;
    if (const auto& usage = stream.usage()) {
        sample.prompt_tokens = usage->prompt_tokens.value_or(0);
        sample.completion_tokens = usage->completion_tokens.value_or(pieces);
    } else {
        sample.completion_tokens = pieces;
    }
}

// What the senders of one level share.
struct LevelRun {
    const chat::Engine& engine;
    const Plan& plan;
    int left;  // requests that nobody has sent yet
    int number = 0;
    std::vector<Sample> samples = {};
};

std::string body_of(LevelRun& run) {
    chat::ChatConfig config;
    config.max_tokens = run.plan.max_tokens;
    config.temperature = 0.8;
    config.seed = run.number;
    // The number comes first, so that no engine answers from its prompt cache what it has read before.
    return chat::completion_request(run.engine.model, config,
                                    {{chat::Role::user, fmt::format("[{}] {}", ++run.number, run.plan.prompt)}});
}

Task<> send_many(LevelRun& run) {
    while (run.left > 0) {
        --run.left;
        Sample sample;
        try {
            co_await send_one(run.engine, body_of(run), sample);
        } catch (const Error& error) {
            sample.failure = error.code();
        } catch (const HttpError&) {
            sample.failure = chat::engine_error(std::current_exception()).code();
        }
        run.samples.push_back(std::move(sample));
    }
}

}  // namespace

BenchmarkService::BenchmarkService(Deps deps) : deps_(deps) {
    deps_.queue.add_kind(std::string(kKind), 1, [this](const tasks::TaskRun& task) { return run(task); });
}

Task<tasks::QueuedTask> BenchmarkService::begin(std::string deployment, Plan plan) {
    const auto found = co_await deps_.deployments.get(std::move(deployment));
    Benchmark benchmark{.id = BenchmarkId::generate(),
                        .deployment_id = found.id,
                        .deployment_name = found.name,
                        .model_ref = found.model_ref,
                        .engine = found.engine};
    benchmark.plan = std::move(plan);
    benchmark.created_at = benchmark.updated_at = now();
    co_await deps_.store.insert(benchmark);
    // A second attempt would measure the same again, and the first one's levels are lost with it.
    auto task = co_await deps_.queue.enqueue_unique({.kind = std::string(kKind),
                                                     .subject = benchmark.id.str(),
                                                     .unique_key = fmt::format("{}/{}", kKind, found.id.str()),
                                                     .max_attempts = 1});
    if (task.subject != benchmark.id.str()) {
        co_await deps_.store.remove(benchmark.id);
        throw Error(ErrorCode::state_conflict, {"this deployment is being measured already", "该部署正在进行基准测试"},
                    {{"state", std::string("running")}, {"task_id", task.id.str()}});
    }
    co_return task;
}

Task<Benchmark> BenchmarkService::get(BenchmarkId id) {
    auto benchmark = co_await deps_.store.find(id);
    if (!benchmark) no_benchmark(id);
    co_return std::move(*benchmark);
}

Task<storage::Page<Benchmark>> BenchmarkService::list(BenchmarkQuery query) {
    co_return co_await deps_.store.list(std::move(query));
}

Task<> BenchmarkService::remove(BenchmarkId id) {
    const Benchmark benchmark = co_await get(id);
    if (benchmark.status == Status::running || benchmark.status == Status::queued) {
        throw Error(ErrorCode::state_conflict, {"this benchmark has not ended", "该基准测试尚未结束"},
                    {{"state", std::string(name_of(benchmark.status))}});
    }
    if (!co_await deps_.store.remove(id)) no_benchmark(id);
}

Task<> BenchmarkService::run(const tasks::TaskRun& task) {
    Benchmark benchmark = co_await get(BenchmarkId::trusted(task.task.subject));
    benchmark.status = Status::running;
    benchmark.levels.clear();
    co_await deps_.store.update(benchmark);
    std::exception_ptr failure;
    try {
        co_await measure(benchmark, task);
        benchmark.status = Status::completed;
    } catch (const boost::system::system_error&) {
        failure = std::current_exception();
        benchmark.status = Status::cancelled;
    } catch (...) {
        failure = std::current_exception();
        const Error error = chat::engine_error(failure);
        benchmark.status = Status::failed;
        benchmark.error_code = name_of(error.code());
        benchmark.error_message = error.message().en;
    }
    // Of a cancelled one, too, the result is kept.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await deps_.store.update(benchmark);
    if (failure) std::rethrow_exception(failure);
}

Task<> BenchmarkService::measure(Benchmark& benchmark, const tasks::TaskRun& task) {
    if (!benchmark.deployment_id) {
        fail(ErrorCode::deployment_not_found, "the deployment is gone", "该部署已被删除");
    }
    const chat::Engine engine =
        co_await deps_.engines.ensure_ready(*benchmark.deployment_id, Clock::now() + kEngineWait);
    // One request that does not count: what is loaded with the first is loaded now.
    Plan warm_up = benchmark.plan;
    warm_up.requests = 1;
    co_await measure_level(engine, warm_up, 1);
    const auto count = benchmark.plan.concurrency.size();
    for (std::size_t i = 0; i < count; ++i) {
        benchmark.levels.push_back(co_await measure_level(engine, benchmark.plan, benchmark.plan.concurrency[i]));
        co_await deps_.store.update(benchmark);
        task.report_progress(static_cast<double>(i + 1) / static_cast<double>(count));
    }
}

Task<Level> BenchmarkService::measure_level(const chat::Engine& engine, const Plan& plan, int concurrency) {
    LevelRun run{engine, plan, std::max(plan.requests, concurrency)};
    TaskGroup senders(deps_.executor);
    const auto begin = Clock::now();
    for (int i = 0; i < concurrency; ++i)
        senders.spawn("benchmark", send_many(run));
    std::exception_ptr failure;
    try {
        co_await senders.wait();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        // The senders use what is here, so they end first, whatever has cancelled this.
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await senders.stop();
        std::rethrow_exception(failure);
    }
    co_return level_of(concurrency, Clock::now() - begin, run.samples);
}

}  // namespace llmm::benchmarks
