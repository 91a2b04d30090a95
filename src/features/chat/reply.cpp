#include "features/chat/reply.hpp"

#include <utility>

namespace llmm::chat {
namespace {

using Live = std::shared_ptr<Generation>;

// The reply as it was before its first delta.
Message beginning_of(Message message) {
    message.content.clear();
    message.status = MessageStatus::streaming;
    message.metadata = {};
    message.updated_at = message.created_at;
    return message;
}

bool is_inside_character(const std::string& text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

}  // namespace

Reply::Reply(Live generation, std::optional<std::uint64_t> since) : source_(std::move(generation)) {
    std::get<Live>(source_)->add_watcher();
    if (since && std::get<Live>(source_)->is_stored()) resume_at(*since);
}

Reply::Reply(StoredReply stored, std::optional<std::uint64_t> since) : source_(std::move(stored)) {
    if (since) resume_at(*since);
}

Reply::Reply(Reply&& other) noexcept
    : source_(std::move(other.source_)),
      started_(other.started_),
      over_(other.over_),
      stops_when_left_(other.stops_when_left_),
      taken_(other.taken_),
      told_position_(other.told_position_) {}

Reply::~Reply() {
    const Live* live = std::get_if<Live>(&source_);
    if (!live || !*live) return;  // stored, or moved away
    (*live)->remove_watcher();
    if (stops_when_left_) (*live)->request_stop(StopReason::client_left);
}

void Reply::resume_at(std::uint64_t number) {
    const bool saw_the_end = number % 2 == 1;
    const std::uint64_t bytes = number / 2;
    const std::string& text = message().content;
    if (bytes > text.size() || is_inside_character(text, bytes)) return;
    started_ = true;
    taken_ = bytes;
    over_ = saw_the_end && has_ended();
}

const MessageId& Reply::message_id() const {
    const Live* live = std::get_if<Live>(&source_);
    return live ? (*live)->message_id() : std::get<StoredReply>(source_).message.id;
}

const Message& Reply::message() const {
    const Live* live = std::get_if<Live>(&source_);
    return live ? (*live)->message() : std::get<StoredReply>(source_).message;
}

const Message& Reply::user_message() const {
    const Live* live = std::get_if<Live>(&source_);
    return live ? (*live)->user_message() : std::get<StoredReply>(source_).user_message;
}

bool Reply::has_ended() const {
    const Live* live = std::get_if<Live>(&source_);
    return !live || (*live)->ended();
}

std::optional<Error> Reply::failure() const {
    if (const Live* live = std::get_if<Live>(&source_)) return (*live)->failure();
    const auto& error = message().metadata.error;
    if (!error) return std::nullopt;
    return Error(error->error, {error->message, error->message});
}

Task<> Reply::begin() {
    const Live* live = std::get_if<Live>(&source_);
    if (!live) co_return;
    Generation& generation = **live;
    while (!generation.answered() && !generation.ended() && !generation.queue_position())
        co_await generation.changed().wait();
    if (generation.answered() || !generation.ended()) co_return;
    if (generation.failure()) throw *generation.failure();
    if (generation.stop_reason() == StopReason::shutting_down) {
        fail(ErrorCode::shutting_down, "the service is stopping", "服务正在停止");
    }
}

Task<Message> Reply::stored() {
    if (const Live* live = std::get_if<Live>(&source_)) {
        while (!(*live)->is_stored() && !(*live)->ended())
            co_await (*live)->changed().wait();
        if (!(*live)->is_stored() && (*live)->failure()) throw *(*live)->failure();
    }
    co_return message();
}

bool Reply::has_event() const {
    const Live* live = std::get_if<Live>(&source_);
    if (live && !(*live)->is_stored()) return (*live)->ended();
    return !started_ || has_ended() || message().content.size() > taken_ || new_position();
}

// What the client does not know yet.
std::optional<std::size_t> Reply::new_position() const {
    const Live* live = std::get_if<Live>(&source_);
    if (!live || (*live)->queue_position() == told_position_) return std::nullopt;
    return (*live)->queue_position();
}

Task<> Reply::wait() {
    while (!over_ && !has_event())
        co_await std::get<Live>(source_)->changed().wait();
}

std::optional<ReplyEvent> Reply::poll() {
    if (over_ || !has_event()) return std::nullopt;
    if (const Live* live = std::get_if<Live>(&source_); live && !(*live)->is_stored()) {
        over_ = true;  // refused before there were messages: only who asked is told
        return std::nullopt;
    }
    EventPlace place{message_id()};
    if (const auto position = started_ && !has_ended() ? new_position() : std::nullopt) {
        told_position_ = position;
        return ReplyEvent{{}, ReplyQueued{place.message_id, *position}};
    }
    auto body = next_body(place.number);
    return ReplyEvent{place.str(), std::move(body)};
}

decltype(ReplyEvent::body) Reply::next_body(std::uint64_t& number) {
    const Message& reply = message();
    if (!started_) {
        started_ = true;
        number = 0;
        return ReplyStarted{beginning_of(reply), user_message()};
    }
    if (reply.content.size() > taken_) {
        ReplyDelta delta{reply.id, reply.content.substr(taken_)};
        taken_ = reply.content.size();
        number = 2 * taken_;
        return delta;
    }
    over_ = true;
    number = 2 * taken_ + 1;
    if (const auto error = failure()) return ReplyFailed{reply.id, *error};
    return ReplyEnded{reply};
}

Task<Message> Reply::finish() {
    stops_when_left_ = true;
    co_await begin();
    Generation& generation = *std::get<Live>(source_);
    co_await generation.wait_for_end();
    if (generation.failure()) throw *generation.failure();
    co_return generation.message();
}

}  // namespace llmm::chat
