#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/chat_store.hpp"
#include "features/chat/engine_source.hpp"
#include "features/usage/usage_ticket.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::chat {

// What is known of a reply's usage at its beginning.
usage::Usage usage_of(const Message& reply, std::string caller);

enum class StopReason { asked, client_left, unwatched, shutting_down };

struct GenerationLimits {
    std::chrono::milliseconds engine_wait{300'000};     // until the deployment's engine is ready
    std::chrono::milliseconds answer_wait{600'000};     // until the engine answers: reading a long prompt takes a while
    std::chrono::milliseconds stall_wait{120'000};      // between two pieces; llama-server pings every 30 s
    std::chrono::milliseconds flush_interval{750};      // how much of a reply a killed manager may lose
    std::chrono::milliseconds unwatched_wait{600'000};  // how long it is written though nobody watches
    std::size_t max_reply_bytes = 16 << 20;
    ContextPolicy context_policy = ContextPolicy::drop;  // of sessions that have none
    bool titles = false;                                 // sessions get a generated name
};

// Writes one reply. It belongs to the service, which runs it as a task of its own: no request can cancel it, and what
// is left to do after a stop is done there. Any number of clients watch it (see Reply); when the last one has gone and
// none comes back for a while, it stops, unless it is detached. Used from the event loop only.
class Generation {
  public:
    struct Deps {
        asio::any_io_executor executor;
        ChatStore& store;
        EngineSource& engines;
        usage::UsageRecorder& usage;
        GenerationLimits limits;
    };
    // The caller's name goes into the usage.
    Generation(Deps deps, NewExchange wanted, bool detached, std::string caller);

    // Stores both messages, asks the engine and stores what comes of it. Never throws.
    Task<> run();
    // Closes the connection to the engine at once. The first reason counts.
    void request_stop(StopReason reason);
    Task<> wait_for_end();
    void add_watcher();
    void remove_watcher();

    const SessionId& session_id() const { return wanted_.session_id; }
    const MessageId& message_id() const { return wanted_.reply_id; }
    bool answered() const { return answered_; }  // by the engine, though there may be no text yet
    bool ended() const { return ended_; }
    // In front of the engine, while it waits there for a place.
    std::optional<std::size_t> queue_position() const { return queue_position_; }
    bool is_stored() const { return exchange_.has_value(); }  // both messages exist
    // What broke it off; a stop is no failure.
    const std::optional<Error>& failure() const { return failure_; }
    std::optional<StopReason> stop_reason() const { return stop_reason_; }
    // The reply as far as it is, and what it belongs to. There once they are stored.
    const Message& message() const { return exchange_->assistant; }
    const Session& session() const { return exchange_->session; }
    const Message& user_message() const { return exchange_->user; }
    Signal& changed() { return changed_; }

  private:
    using Clock = std::chrono::steady_clock;

    Task<> write_reply();
    Task<> answer();
    Task<> converse();
    struct Answering {
        Engine engine;
        UpstreamResponse response;
    };
    Task<Answering> reach_engine(DeploymentId deployment);
    Task<> flush_now_and_then();
    Task<> until_stopped();
    Task<> store_end();
    UpstreamRequest request_for(const Engine& engine, const std::vector<Turn>& turns) const;
    void append(std::string_view text);
    void fail_with(std::exception_ptr error);
    Metadata outcome() const;
    void open_ticket();
    void close_ticket();

    Deps deps_;
    const NewExchange wanted_;
    std::optional<Exchange> exchange_;
    const bool detached_;
    const std::string caller_;
    std::optional<usage::UsageTicket> ticket_;  // while both messages exist and the reply has not ended
    std::size_t watchers_ = 0;
    std::optional<std::size_t> queue_position_;
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
