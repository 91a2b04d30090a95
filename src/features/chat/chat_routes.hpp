#pragma once
#include "features/chat/chat_service.hpp"
#include "http/router.hpp"

namespace llmm::chat {

// /api/v1/chat/… and /ws/v1/chat/{session_id}.
class ChatRoutes {
  public:
    explicit ChatRoutes(ChatService& chat) : chat_(chat) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> create(const http::Request& request);
    Task<http::Response> list(const http::Request& request);
    Task<http::Response> show(const http::Request& request);
    Task<http::Response> update(const http::Request& request);
    Task<http::Response> remove(const http::Request& request);
    Task<http::Response> list_messages(const http::Request& request);
    Task<http::Response> send(const http::Request& request);
    Task<http::Response> show_message(const http::Request& request);
    Task<http::Response> list_siblings(const http::Request& request);
    Task<http::Response> regenerate(const http::Request& request);
    Task<http::Response> watch(const http::Request& request);
    Task<http::Response> stop(const http::Request& request);
    Task<> check_session(const http::Request& request);
    Task<> converse(const http::Request& request, http::WebSocket& socket);

    ChatService& chat_;
};

}  // namespace llmm::chat
