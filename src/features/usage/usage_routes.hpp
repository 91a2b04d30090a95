#pragma once
#include "features/usage/usage_recorder.hpp"
#include "features/usage/usage_store.hpp"
#include "http/router.hpp"

namespace llmm::usage {

class UsageRoutes {
  public:
    UsageRoutes(UsageStore& store, UsageRecorder& recorder) : store_(store), recorder_(recorder) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> show(const http::Request& request);

    UsageStore& store_;
    UsageRecorder& recorder_;
};

}  // namespace llmm::usage
