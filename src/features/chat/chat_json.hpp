#pragma once
#include "features/chat/chat.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm::chat {

struct SessionRequest {
    std::string deployment;  // id or name
    std::optional<std::string> name;
    ChatConfig config;
    std::string folder = {};  // empty: in none
    std::vector<std::string> tags = {};
};
struct SessionChanges {
    std::optional<std::string> deployment;  // id or name
    std::optional<std::string> name;
    std::optional<ChatConfig> config;        // replaced as a whole
    std::optional<std::string> folder = {};  // "" takes it out of its folder
    std::optional<std::vector<std::string>> tags = {};
    std::optional<MessageId> active_message_id = {};
};
struct MessageRequest {
    NewMessage message;
    bool stream = false;
    bool detached = false;  // goes on though nobody watches
};
struct RegenerateRequest {
    bool stream = false, detached = false;
};
// A frame of the WebSocket.
struct StopCommand {};
using ChatCommand = std::variant<NewMessage, StopCommand>;

// All throw VALIDATION_FAILED naming each bad field.
SessionRequest parse_session_request(const boost::json::value& body);
SessionChanges parse_session_changes(const boost::json::value& body);
MessageRequest parse_message_request(const boost::json::value& body);
RegenerateRequest parse_regenerate_request(const boost::json::value& body);
ChatCommand parse_chat_command(std::string_view frame);  // also MALFORMED_JSON

boost::json::value to_json(const Session& session);
boost::json::value to_json(const Message& message);
boost::json::value to_json(const ReplyStarted& event);
boost::json::value to_json(const ReplyQueued& event);
boost::json::value to_json(const ReplyDelta& event);
boost::json::value to_json(const ReplyEnded& event);

// The columns `config`, `metadata`, `tags` and `attachments`.
std::string to_text(const ChatConfig& config);
std::string to_text(const Metadata& metadata);
std::string to_text(const std::vector<std::string>& tags);
std::string to_text(const std::vector<Attachment>& attachments);
std::vector<std::string> tags_from_text(std::string_view text);
std::vector<Attachment> attachments_from_text(std::string_view text);
ChatConfig config_from_text(std::string_view text);
Metadata metadata_from_text(std::string_view text);

}  // namespace llmm::chat
