#pragma once
#include "features/chat/chat.hpp"
#include "http/request.hpp"

#include <string>

namespace llmm::chat {

// The same events for both ways of following a reply: one of an event stream, and a frame {"type","id","data"} of a
// WebSocket.
std::string server_sent_event(const ReplyEvent& event, http::Language language);
std::string socket_frame(const ReplyEvent& event, http::Language language);
// For what went wrong without a message.
std::string socket_frame(const Error& error, http::Language language);

}  // namespace llmm::chat
