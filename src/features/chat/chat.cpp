#include "features/chat/chat.hpp"

#include <array>

namespace llmm::chat {
namespace {

constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};
constexpr std::array<std::string_view, 4> kStatuses{"streaming", "complete", "partial", "failed"};

template <class Enum, std::size_t Count>
std::optional<Enum> parse(const std::array<std::string_view, Count>& names, std::string_view text) {
    for (std::size_t i = 0; i < Count; ++i) {
        if (names[i] == text) return static_cast<Enum>(i);
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(Role role) {
    return kRoles[static_cast<std::size_t>(role)];
}
std::string_view name_of(MessageStatus status) {
    return kStatuses[static_cast<std::size_t>(status)];
}
std::optional<Role> parse_role(std::string_view text) {
    return parse<Role>(kRoles, text);
}
std::optional<MessageStatus> parse_message_status(std::string_view text) {
    return parse<MessageStatus>(kStatuses, text);
}

std::vector<Turn> make_prompt(const ChatConfig& config, const std::vector<Message>& chain) {
    std::vector<Turn> turns;
    if (config.system_prompt && !config.system_prompt->empty()) {
        turns.push_back({Role::system, *config.system_prompt});
    }
    for (const Message& message : chain) {
        if (message.role == Role::assistant && message.content.empty()) continue;
        turns.push_back({message.role, message.content});
    }
    return turns;
}

Error still_writing(const MessageId& reply) {
    return Error(ErrorCode::state_conflict,
                 {"the reply to the message before is still being written", "上一条消息的回答仍在生成中"},
                 {{"state", std::string(name_of(MessageStatus::streaming))}, {"message_id", reply.str()}});
}

}  // namespace llmm::chat
