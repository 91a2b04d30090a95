#pragma once
#include "base/async/task.hpp"
#include "features/chat/chat.hpp"
#include "features/chat/generation.hpp"

#include <cstddef>
#include <memory>
#include <optional>

namespace llmm::chat {

// One client's view of a reply. When it goes away before the end, so does the reply: nobody would read it. What a slow
// client has not taken yet is only a position in the reply's text.
class Reply {
  public:
    explicit Reply(std::shared_ptr<Generation> generation) : generation_(std::move(generation)) {}
    Reply(Reply&&) noexcept = default;
    Reply& operator=(Reply&&) = delete;
    ~Reply();

    const MessageId& message_id() const { return generation_->message_id(); }
    // Resumes when the engine answers, or the reply was stopped. Throws what failed before. The others come after it.
    Task<> begin();
    // The next event if there is one.
    std::optional<ReplyEvent> poll();
    // Resumes when poll() has something, or it is over.
    Task<> wait();
    bool is_over() const { return over_; }
    // The whole reply. Throws what broke it off.
    Task<Message> finish();
    void stop() { generation_->request_stop(StopReason::asked); }

  private:
    bool has_event() const;
    decltype(ReplyEvent::body) next_body();

    std::shared_ptr<Generation> generation_;
    bool started_ = false, over_ = false;
    std::size_t taken_ = 0;  // bytes of the text
    int number_ = 0;
};

}  // namespace llmm::chat
