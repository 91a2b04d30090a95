#include "features/chat/socket_routes.hpp"

#include "base/async/race.hpp"
#include "features/chat/chat_json.hpp"
#include "features/chat/event_routes.hpp"

namespace llmm::chat {

namespace {
// Who sends nonsense faster than it reads the complaints is not read any further.
constexpr std::size_t kMaxComplaints = 16;
}  // namespace

Task<> SocketChat::run() {
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
            if (reply_) throw still_writing(reply_->message_id());
            reply_.emplace(chat_.send(session_, std::move(*message)));
            changed_.notify();
        } else if (reply_) {
            reply_->stop();
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
        co_await wait_for_work();
        while (!complaints_.empty()) {
            const std::string frame = std::move(complaints_.front());
            complaints_.pop_front();
            changed_.notify();
            co_await socket_.send(frame);
        }
        if (!begun_) continue;
        while (const auto event = reply_->poll())
            co_await socket_.send(socket_frame(*event, language_));
        if (!reply_->is_over()) continue;
        reply_.reset();
        begun_ = false;
    }
}

Task<> SocketChat::wait_for_work() {
    while (complaints_.empty() && !reply_)
        co_await changed_.wait();
    if (!complaints_.empty()) co_return;
    try {
        co_await race(wait_for_reply(), wait_for_complaint());
    } catch (const Error& error) {  // before its first event
        reply_.reset();
        complain(error);
    }
}

Task<> SocketChat::wait_for_reply() {
    if (begun_) {
        co_await reply_->wait();
    } else {
        co_await reply_->begin();
        begun_ = true;
    }
}

Task<> SocketChat::wait_for_complaint() {
    while (complaints_.empty())
        co_await changed_.wait();
}

}  // namespace llmm::chat
