#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "features/usage/usage.hpp"
#include "features/usage/usage_journal.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <unordered_set>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::usage {

class UsageStore;

// Takes one row for each request and writes them in batches, so that no request waits for the database. The rows of a
// killed process are found in its journal by the next one. Used from the event loop only.
class UsageRecorder {
  public:
    struct Limits {
        std::chrono::milliseconds interval{1'000};  // between two writes
        std::size_t max_waiting = 200'000;          // while the database refuses; older rows are dropped and counted
    };
    UsageRecorder(asio::any_io_executor executor, UsageStore& store, std::filesystem::path journal, Limits limits);

    void start();
    // The row stays where it is until end() is called with it. For UsageTicket.
    void begin(const Usage& row);
    void end(const Usage& row);
    // Writes what is waiting; for questions that must see the latest requests.
    Task<> flush();
    // Writes the rest.
    Task<> stop();
    std::size_t waiting() const { return waiting_.size() + writing_; }

  private:
    Task<> write_now_and_then();
    Task<bool> write_once();
    void shorten_journal();

    UsageStore& store_;
    const Limits limits_;
    UsageJournal journal_;
    std::unordered_set<const Usage*> open_;
    std::vector<Usage> waiting_;
    std::size_t writing_ = 0;
    std::size_t dropped_ = 0;
    Signal written_;
    Signal stopping_;
    bool stopped_ = false;
    TaskGroup work_;
};

}  // namespace llmm::usage
