#pragma once
#include "features/gateway/answer_scan.hpp"
#include "features/usage/usage_recorder.hpp"
#include "http/request.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace llmm::gateway {

// One request in the usage, recorded when this goes away, however it ended. Without a status the client has left.
class UsageTicket {
  public:
    UsageTicket(usage::UsageRecorder& recorder, const http::Request& request, std::string_view dialect,
                std::string_view operation)
        : recorder_(recorder) {
        row.caller = request.principal ? request.principal->name : std::string();
        row.dialect = dialect;
        row.operation = operation;
    }
    UsageTicket(const UsageTicket&) = delete;
    UsageTicket& operator=(const UsageTicket&) = delete;
    ~UsageTicket() {
        constexpr int kClientClosed = 499;
        if (row.status == 0) row.status = kClientClosed;
        row.total_ms = elapsed_ms();
        recorder_.record(std::move(row));
    }

    void note_first_token() {
        if (!row.first_token_ms) row.first_token_ms = elapsed_ms();
    }
    void note(const TokenCounts& tokens) {
        row.tokens_in = tokens.in;
        row.tokens_out = tokens.out;
        row.tokens_cached = tokens.cached;
    }

    usage::Usage row;

  private:
    double elapsed_ms() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
    }

    usage::UsageRecorder& recorder_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace llmm::gateway
