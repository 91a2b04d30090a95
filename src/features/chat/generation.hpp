#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/chat_store.hpp"
#include "features/chat/engine_source.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::chat {

enum class StopReason { asked, client_left, shutting_down };

struct GenerationLimits {
    std::chrono::milliseconds engine_wait{300'000};  // until the deployment's engine is ready
    std::chrono::milliseconds answer_wait{600'000};  // until the engine answers: reading a long prompt takes a while
    std::chrono::milliseconds stall_wait{120'000};   // between two pieces; llama-server pings every 30 s
    std::chrono::milliseconds flush_interval{750};   // how much of a reply a killed manager may lose
    std::size_t max_reply_bytes = 16 << 20;
};

// Writes one reply. The service runs it as a task of its own, which no request can cancel: what is left to do after a
// stop is done there. Requests watch it (see Reply). Used from the event loop only.
class Generation {
  public:
    struct Deps {
        asio::any_io_executor executor;
        ChatStore& store;
        EngineSource& engines;
        GenerationLimits limits;
    };
    Generation(Deps deps, SessionId session_id, NewMessage message);

    // Stores both messages, asks the engine and stores what comes of it. Never throws.
    Task<> run();
    // Closes the connection to the engine at once. The first reason counts.
    void request_stop(StopReason reason);
    Task<> wait_for_end();

    const SessionId& session_id() const { return wanted_.session_id; }
    const MessageId& message_id() const { return wanted_.reply_id; }
    bool answered() const { return answered_; }  // by the engine, though there may be no text yet
    bool ended() const { return ended_; }
    // What broke it off; a stop is no failure.
    const std::optional<Error>& failure() const { return failure_; }
    std::optional<StopReason> stop_reason() const { return stop_reason_; }
    // The reply as far as it is. There once it is answered, or ended without failure.
    const Message& message() const { return exchange_->assistant; }
    const Message& user_message() const { return exchange_->user; }
    Signal& changed() { return changed_; }

  private:
    using Clock = std::chrono::steady_clock;

    Task<> write_reply();
    Task<> answer();
    Task<> converse();
    Task<> flush_now_and_then();
    Task<> until_stopped();
    Task<> store_end();
    UpstreamRequest request_for(const Engine& engine) const;
    void append(std::string_view text);
    void fail_with(std::exception_ptr error);
    Metadata outcome() const;

    Deps deps_;
    const NewExchange wanted_;
    std::optional<Exchange> exchange_;
    bool answered_ = false, ended_ = false;
    std::optional<StopReason> stop_reason_;
    std::optional<Error> failure_;
    Metadata metadata_;
    std::optional<double> engine_speed_;  // tokens a second
    Clock::time_point asked_at_{};
    std::optional<Clock::time_point> first_text_at_;
    Signal changed_;
    Signal stopped_;
};

}  // namespace llmm::chat
