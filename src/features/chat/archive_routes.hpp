#pragma once
#include "features/chat/archive_service.hpp"
#include "features/chat/chat_service.hpp"
#include "http/router.hpp"

namespace llmm::chat {

// /api/v1/chat/search, /api/v1/chat/sessions/{id}/export and /api/v1/chat/sessions/import.
class ArchiveRoutes {
  public:
    ArchiveRoutes(ArchiveService& archive, ChatService& chat) : archive_(archive), chat_(chat) {}
    void add_to(http::Router& router);

  private:
    Task<http::Response> search(const http::Request& request);
    Task<http::Response> export_session(const http::Request& request);
    Task<http::Response> import_session(const http::Request& request);

    ArchiveService& archive_;
    ChatService& chat_;
};

}  // namespace llmm::chat
