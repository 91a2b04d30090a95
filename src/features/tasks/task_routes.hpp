#pragma once
#include "features/tasks/task_queue.hpp"
#include "http/router.hpp"

namespace llmm::tasks {

class TaskRoutes {
  public:
    explicit TaskRoutes(TaskQueue& queue) : queue_(queue) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> cancel(const http::Request& request);
    Task<http::Response> retry(const http::Request& request);

    TaskQueue& queue_;
};

}  // namespace llmm::tasks
