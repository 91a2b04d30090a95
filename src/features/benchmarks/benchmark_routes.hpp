#pragma once
#include "features/benchmarks/benchmark_service.hpp"
#include "http/router.hpp"

namespace llmm::benchmarks {

// /api/v1/benchmarks… and /api/v1/deployments/{id}/benchmark.
class BenchmarkRoutes {
  public:
    explicit BenchmarkRoutes(BenchmarkService& benchmarks) : benchmarks_(benchmarks) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> begin(const http::Request& request);
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);

    BenchmarkService& benchmarks_;
};

}  // namespace llmm::benchmarks
