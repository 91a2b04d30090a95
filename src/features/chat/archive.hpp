#pragma once
#include "features/chat/chat.hpp"

#include <optional>
#include <string>
#include <vector>

namespace llmm::chat {

// A session outside of this service. Ids are those of the file and only tie its messages together.
struct ArchivedMessage {
    std::string id;
    std::optional<std::string> parent_id = {};
    Message message;  // its ids don't count
};
struct ArchivedSession {
    std::string name;
    ChatConfig config = {};
    std::optional<std::string> folder = {};
    std::vector<std::string> tags = {};
    std::optional<std::string> active_message_id = {};
    std::vector<ArchivedMessage> messages = {};
};

enum class ExportFormat { json, markdown };

// A file name made of a session's name, safe for a header and for every system.
std::string file_name_for(const Session& session, ExportFormat format);
// A conversation to read: its name, then each message under a heading.
std::string to_markdown(const Session& session);
std::string to_markdown(const Message& message);

}  // namespace llmm::chat
