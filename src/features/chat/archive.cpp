#include "features/chat/archive.hpp"

#include <fmt/format.h>

namespace llmm::chat {
namespace {

constexpr std::size_t kMaxFileName = 60;

std::string one_line(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    return text;
}

std::string_view heading_of(Role role) {
    switch (role) {
        case Role::system:
            return "System";
        case Role::user:
            return "User";
        case Role::assistant:
            return "Assistant";
    }
    return "";
}

}  // namespace

std::string file_name_for(const Session& session, ExportFormat format) {
    std::string name;
    for (const char c : session.name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (plain) name += c;
        if (!plain && !name.empty() && name.back() != '-') name += '-';
        if (name.size() == kMaxFileName) break;
    }
    while (name.ends_with('-'))
        name.pop_back();
    if (name.empty()) name = "chat-" + session.id.str();
    return name + (format == ExportFormat::json ? ".json" : ".md");
}

std::string to_markdown(const Session& session) {
    std::string text = fmt::format("# {}\n", one_line(session.name));
    if (session.config.system_prompt && !session.config.system_prompt->empty()) {
        text += fmt::format("\n## System\n\n{}\n", *session.config.system_prompt);
    }
    return text;
}

std::string to_markdown(const Message& message) {
    std::string text = fmt::format("\n## {}\n\n", heading_of(message.role));
    text += make_prompt({}, {message}).empty() ? std::string() : make_prompt({}, {message}).front().content;
    if (message.status == MessageStatus::partial) text += "\n\n*(partial)*";
    if (message.status == MessageStatus::failed) {
        text += fmt::format("*(failed: {})*", message.metadata.error ? message.metadata.error->message : "");
    }
    return text + "\n";
}

}  // namespace llmm::chat
