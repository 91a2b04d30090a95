#pragma once
#include "base/async/task.hpp"
#include "features/benchmarks/benchmark.hpp"
#include "features/benchmarks/benchmark_store.hpp"
#include "features/chat/engine_source.hpp"
#include "features/deployments/deployment_service.hpp"
#include "features/tasks/task_queue.hpp"

#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::benchmarks {

// Measures how fast a deployment answers, as a task of the queue, and keeps the results. One benchmark runs at a time:
// two would measure each other. Used from the event loop only.
class BenchmarkService {
  public:
    struct Deps {
        asio::any_io_executor executor;
        BenchmarkStore& store;
        deployments::DeploymentService& deployments;
        chat::EngineSource& engines;
        tasks::TaskQueue& queue;
    };
    explicit BenchmarkService(Deps deps);  // takes part in the queue

    // The task that works on it; its subject is the benchmark's id. DEPLOYMENT_NOT_FOUND; STATE_CONFLICT when the
    // deployment is being measured already.
    Task<tasks::QueuedTask> begin(std::string deployment, Plan plan);
    Task<Benchmark> get(BenchmarkId id);  // NOT_FOUND
    Task<storage::Page<Benchmark>> list(BenchmarkQuery query);
    Task<> remove(BenchmarkId id);  // NOT_FOUND; STATE_CONFLICT while it runs

  private:
    Task<> run(const tasks::TaskRun& task);
    Task<> measure(Benchmark& benchmark, const tasks::TaskRun& task);
    Task<Level> measure_level(const chat::Engine& engine, const Plan& plan, int concurrency);

    Deps deps_;
};

}  // namespace llmm::benchmarks
