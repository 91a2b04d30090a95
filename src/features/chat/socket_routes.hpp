#pragma once
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "features/chat/chat_service.hpp"
#include "http/request.hpp"
#include "http/web_socket.hpp"

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace llmm::chat {

// A conversation over one WebSocket. When the socket goes, so does the reply that is being written.
class SocketChat {
  public:
    SocketChat(ChatService& chat, SessionId session, http::Language language, http::WebSocket& socket,
               asio::any_io_executor executor)
        : chat_(chat), session_(std::move(session)), language_(language), socket_(socket), changed_(executor) {}

    Task<> run();  // until the client closes

  private:
    Task<> read_commands();
    Task<> write_events();
    Task<> wait_for_reply();
    Task<> wait_for_complaint();
    Task<> wait_for_work();
    void obey(std::string_view frame);
    void complain(const Error& error);

    ChatService& chat_;
    const SessionId session_;
    const http::Language language_;
    http::WebSocket& socket_;
    Signal changed_;
    std::deque<std::string> complaints_;  // frames to send
    std::optional<Reply> reply_;
    bool begun_ = false;
};

}  // namespace llmm::chat
