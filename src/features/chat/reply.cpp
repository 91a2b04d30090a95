#include "features/chat/reply.hpp"

#include <fmt/format.h>

namespace llmm::chat {
namespace {

// The reply as it was before its first delta.
Message beginning_of(Message message) {
    message.content.clear();
    message.status = MessageStatus::streaming;
    message.metadata = {};
    message.updated_at = message.created_at;
    return message;
}

}  // namespace

Reply::~Reply() {
    if (generation_) generation_->request_stop(StopReason::client_left);
}

Task<> Reply::begin() {
    while (!generation_->answered() && !generation_->ended())
        co_await generation_->changed().wait();
    if (generation_->answered()) co_return;
    if (generation_->failure()) throw *generation_->failure();
    if (generation_->stop_reason() == StopReason::shutting_down) {
        fail(ErrorCode::shutting_down, "the service is stopping", "服务正在停止");
    }
}

bool Reply::has_event() const {
    return !started_ || generation_->ended() || generation_->message().content.size() > taken_;
}

Task<> Reply::wait() {
    while (!over_ && !has_event())
        co_await generation_->changed().wait();
}

std::optional<ReplyEvent> Reply::poll() {
    if (over_ || !has_event()) return std::nullopt;
    const int number = number_++;
    return ReplyEvent{fmt::format("{}.{}", message_id().str(), number), next_body()};
}

decltype(ReplyEvent::body) Reply::next_body() {
    const Message& message = generation_->message();
    if (!started_) {
        started_ = true;
        return ReplyStarted{beginning_of(message), generation_->user_message()};
    }
    if (message.content.size() > taken_) {
        ReplyDelta delta{message.id, message.content.substr(taken_)};
        taken_ = message.content.size();
        return delta;
    }
    over_ = true;
    if (generation_->failure()) return ReplyFailed{message.id, *generation_->failure()};
    return ReplyEnded{message};
}

Task<Message> Reply::finish() {
    co_await begin();
    co_await generation_->wait_for_end();
    if (generation_->failure()) throw *generation_->failure();
    co_return generation_->message();
}

}  // namespace llmm::chat
