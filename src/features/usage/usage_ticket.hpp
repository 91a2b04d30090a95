#pragma once
#include "features/usage/usage_recorder.hpp"

#include <chrono>
#include <utility>

namespace llmm::usage {

// One request in the usage, recorded when this goes away, however it ended. Without a status the client has left.
class UsageTicket {
  public:
    UsageTicket(UsageRecorder& recorder, Usage first) : row(std::move(first)), recorder_(recorder) {}
    UsageTicket(const UsageTicket&) = delete;
    UsageTicket& operator=(const UsageTicket&) = delete;
    ~UsageTicket() {
        constexpr int kClientClosed = 499;
        if (row.status == 0) row.status = kClientClosed;
        if (row.total_ms == 0) row.total_ms = elapsed_ms();
        recorder_.end(row);
    }

    // On its way to a model, as far as the row says: from here on it is counted though the process be killed.
    void begin() { recorder_.begin(row); }
    void note_first_token() {
        if (!row.first_token_ms) row.first_token_ms = elapsed_ms();
    }

    Usage row;

  private:
    double elapsed_ms() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
    }

    UsageRecorder& recorder_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace llmm::usage
