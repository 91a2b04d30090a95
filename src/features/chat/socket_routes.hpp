#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "features/chat/chat_service.hpp"
#include "http/request.hpp"
#include "http/web_socket.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::chat {

// A session as one WebSocket sees it: takes messages and stops, tells of every reply of the session, whoever asked for
// it. When the socket goes, the reply goes on without it (see Generation).
class SocketChat {
  public:
    SocketChat(ChatService& chat, SessionId session, std::string caller, http::Language language,
               http::WebSocket& socket, asio::any_io_executor executor)
        : chat_(chat),
          session_(std::move(session)),
          caller_(std::move(caller)),
          language_(language),
          socket_(socket),
          beginnings_(chat.beginnings(session_)),
          changed_(executor) {}

    Task<> run(std::optional<EventPlace> since);  // until the client closes

  private:
    Task<> read_commands();
    Task<> write_events();
    Task<> send_complaints();
    Task<> send_events();
    Task<> wait_for_reply();
    Task<> wait_for_complaint();
    void obey(std::string_view frame);
    void complain(const Error& error);

    ChatService& chat_;
    const SessionId session_;
    const std::string caller_;
    const http::Language language_;
    http::WebSocket& socket_;
    std::shared_ptr<Signal> beginnings_;
    Signal changed_;
    std::deque<std::string> complaints_;  // frames to send
    std::optional<Reply> reply_;          // whose events are told; only write_events() changes it
    std::optional<Reply> next_;           // that this client has asked for meanwhile
    bool awaits_answer_ = false;          // this client asked, and the engine has not answered yet
    std::optional<MessageId> last_;
};

}  // namespace llmm::chat
