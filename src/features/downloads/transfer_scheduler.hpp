#pragma once
#include "features/downloads/connection_controller.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace llmm::downloads {

class FileTransfer;

// Shares the connections to each source among the files that are fetched from it: the higher priority first, then
// whoever has the fewest. How many there are, each source's controller says. Used from the event loop.
class TransferScheduler {
  public:
    using Clock = std::chrono::steady_clock;

    explicit TransferScheduler(int connections_per_source) : most_(connections_per_source) {}

    // Counts what comes from the source, on any thread.
    std::atomic<std::uint64_t>& counter_of(const std::string& source);
    void add(FileTransfer& file);
    void remove(FileTransfer& file);  // one that has no request running
    // A request of that source has ended, or one of its files has more to fetch.
    void released(const std::string& source);
    void dispatch(const std::string& source);
    void refused(const std::string& source);
    // Some times a second while anything is active.
    void tick();

    int connections(const std::string& source) const;

  private:
    struct Lane {
        explicit Lane(int most) : controller({.most = most}) {}
        ConnectionController controller;
        std::vector<FileTransfer*> files;
        int active = 0;
        std::atomic<std::uint64_t> received = 0;
        std::uint64_t received_before = 0;
        double speed = 0;  // bytes/s, smoothed
    };
    Lane& lane(const std::string& source);
    void dispatch(Lane& lane);
    static void drop_slow_requests(Lane& lane, Clock::time_point now);

    int most_;
    std::map<std::string, Lane> lanes_;
    Clock::time_point last_tick_ = Clock::now();
};

}  // namespace llmm::downloads
