#include "features/chat/socket_routes.hpp"

#include "base/async/race.hpp"
#include "features/chat/chat_json.hpp"
#include "features/chat/event_routes.hpp"

namespace llmm::chat {

namespace {
// Who sends nonsense faster than it reads the complaints is not read any further.
constexpr std::size_t kMaxComplaints = 16;
}  // namespace

Task<> SocketChat::run(std::optional<EventPlace> since) {
    if (since) {
        try {
            reply_.emplace(co_await chat_.watch(since->message_id, since->number));
        } catch (const Error& error) {
            complain(error);
        }
    }
    co_await race(read_commands(), write_events());
}

Task<> SocketChat::read_commands() {
    while (const auto frame = co_await socket_.receive()) {
        obey(*frame);
        while (complaints_.size() >= kMaxComplaints)
            co_await changed_.wait();
    }
}

void SocketChat::obey(std::string_view frame) {
    try {
        ChatCommand command = parse_chat_command(frame);
        if (auto* message = std::get_if<NewMessage>(&command)) {
            if (next_) throw still_writing(next_->message_id());
            next_.emplace(chat_.send(session_, std::move(*message), false, caller_));
            changed_.notify();
        } else {
            chat_.request_stop(session_);
        }
    } catch (const Error& error) {
        complain(error);
    }
}

void SocketChat::complain(const Error& error) {
    complaints_.push_back(socket_frame(error, language_));
    changed_.notify();
}

Task<> SocketChat::write_events() {
    while (true) {
        if (!reply_ && next_) {
            reply_.emplace(std::move(*next_));
            next_.reset();
            awaits_answer_ = true;
        }
        co_await send_complaints();
        co_await send_events();
        if (reply_ && reply_->is_over()) {
            last_ = reply_->message_id();
            reply_.reset();
            continue;
        }
        try {
            co_await race(wait_for_reply(), wait_for_complaint());
        } catch (const Error& error) {  // before its first event
            last_ = reply_->message_id();
            reply_.reset();
            awaits_answer_ = false;
            complain(error);
        }
    }
}

Task<> SocketChat::send_complaints() {
    while (!complaints_.empty()) {
        const std::string frame = std::move(complaints_.front());
        complaints_.pop_front();
        changed_.notify();
        co_await socket_.send(frame);
    }
}

Task<> SocketChat::send_events() {
    while (reply_ && !awaits_answer_) {
        const auto event = reply_->poll();
        if (!event) co_return;
        co_await socket_.send(socket_frame(*event, language_));
    }
}

Task<> SocketChat::wait_for_reply() {
    while (!reply_ && !next_) {
        if (auto running = chat_.watch_running(session_, last_)) {
            reply_.emplace(std::move(*running));
            co_return;
        }
        co_await beginnings_->wait();
    }
    if (!reply_) co_return;
    if (awaits_answer_) {
        co_await reply_->begin();
        awaits_answer_ = false;
    } else {
        co_await reply_->wait();
    }
}

// Or for a message that was sent while nothing was told.
Task<> SocketChat::wait_for_complaint() {
    while (complaints_.empty() && (reply_ || !next_))
        co_await changed_.wait();
}

}  // namespace llmm::chat
