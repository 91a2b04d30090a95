#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "features/usage/usage.hpp"

#include <chrono>
#include <cstddef>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::usage {

class UsageStore;

// Takes one row for each request and writes them in batches, so that no request waits for the database. What a killed
// process can lose is at most what came within one interval. Used from the event loop only.
class UsageRecorder {
  public:
    struct Limits {
        std::chrono::milliseconds interval{1'000};  // between two writes
        std::size_t max_waiting = 200'000;          // while the database refuses; older rows are dropped and counted
    };
    UsageRecorder(asio::any_io_executor executor, UsageStore& store, Limits limits);

    void start();
    void record(Usage row);
    // Writes what is waiting; for questions that must see the latest requests.
    Task<> flush();
    // Writes the rest.
    Task<> stop();
    std::size_t waiting() const { return waiting_.size() + writing_; }

  private:
    Task<> write_now_and_then();
    Task<bool> write_once();

    UsageStore& store_;
    const Limits limits_;
    std::vector<Usage> waiting_;
    std::size_t writing_ = 0;
    std::size_t dropped_ = 0;
    Signal written_;
    Signal stopping_;
    bool stopped_ = false;
    TaskGroup work_;
};

}  // namespace llmm::usage
