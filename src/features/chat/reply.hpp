#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/generation.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

namespace llmm::chat {

// A reply that has ended, as it is stored.
struct StoredReply {
    Message message, user_message;
};

// One client's view of a reply, live or stored. What a slow client has not taken yet is only a position in the reply's
// text, so any number of them cost the reply nothing.
class Reply {
  public:
    // From the beginning, or from where the client says it is. A place that this reply does not have (the service was
    // killed before it could store what it had told) is answered from the beginning, with another message.start.
    explicit Reply(std::shared_ptr<Generation> generation, std::optional<std::uint64_t> since = {});
    explicit Reply(StoredReply stored, std::optional<std::uint64_t> since = {});
    Reply(Reply&& other) noexcept;
    Reply& operator=(Reply&&) = delete;
    ~Reply();

    const MessageId& message_id() const;
    // For who has asked for the reply and gets nothing else when it fails at once: resumes when the engine answers, the
    // reply has to wait for others, or was stopped. Throws what failed before.
    Task<> begin();
    // Resumes when both messages are stored. Throws when they can't be.
    Task<Message> stored();
    // The next event if there is one.
    std::optional<ReplyEvent> poll();
    // Resumes when poll() has something, or it is over.
    Task<> wait();
    bool is_over() const { return over_; }
    // The whole reply. Throws what broke it off. Who leaves before its end stops it: without events there is no way
    // back.
    Task<Message> finish();

  private:
    void resume_at(std::uint64_t number);
    bool has_event() const;
    std::optional<std::size_t> new_position() const;
    bool has_ended() const;
    const Message& message() const;
    const Message& user_message() const;
    std::optional<Error> failure() const;
    decltype(ReplyEvent::body) next_body(std::uint64_t& number);

    std::variant<std::shared_ptr<Generation>, StoredReply> source_;
    bool started_ = false, over_ = false, stops_when_left_ = false;
    std::size_t taken_ = 0;                     // bytes of the text
    std::optional<std::size_t> told_position_;  // in the queue
};

}  // namespace llmm::chat
