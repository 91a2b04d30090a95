#include "features/chat/chat.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace llmm::chat {
namespace {

constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};
constexpr std::array<std::string_view, 4> kStatuses{"streaming", "complete", "partial", "failed"};

constexpr std::array<std::string_view, 3> kPolicies{"error", "drop", "summarise"};
constexpr std::array<std::string_view, 3> kOrigins{"placeholder", "generated", "chosen"};

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
std::string_view name_of(ContextPolicy policy) {
    return kPolicies[static_cast<std::size_t>(policy)];
}
std::string_view name_of(NameOrigin origin) {
    return kOrigins[static_cast<std::size_t>(origin)];
}
std::optional<ContextPolicy> parse_context_policy(std::string_view text) {
    return parse<ContextPolicy>(kPolicies, text);
}
std::optional<NameOrigin> parse_name_origin(std::string_view text) {
    return parse<NameOrigin>(kOrigins, text);
}
std::optional<Role> parse_role(std::string_view text) {
    return parse<Role>(kRoles, text);
}
std::optional<MessageStatus> parse_message_status(std::string_view text) {
    return parse<MessageStatus>(kStatuses, text);
}

namespace {

// A fence longer than any run of backticks inside, as Markdown wants it.
std::string fence_for(std::string_view content) {
    std::size_t longest = 2, run = 0;
    for (const char c : content) {
        run = c == '`' ? run + 1 : 0;
        longest = std::max(longest, run);
    }
    return std::string(longest + 1, '`');
}

std::string with_attachments(const Message& message) {
    std::string text = message.content;
    for (const Attachment& attachment : message.attachments) {
        const std::string fence = fence_for(attachment.content);
        text += fmt::format("\n\n{}:\n{}\n{}\n{}", attachment.name, fence, attachment.content, fence);
    }
    return text;
}

}  // namespace

std::vector<Turn> make_prompt(const ChatConfig& config, const std::vector<Message>& chain) {
    std::vector<Turn> turns;
    if (config.system_prompt && !config.system_prompt->empty()) {
        turns.push_back({Role::system, *config.system_prompt});
    }
    for (const Message& message : chain) {
        if (message.role == Role::assistant && message.content.empty()) continue;
        turns.push_back({message.role, with_attachments(message)});
    }
    return turns;
}

std::string EventPlace::str() const {
    return fmt::format("{}.{}", message_id.str(), number);
}

std::optional<EventPlace> EventPlace::parse(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    auto id = MessageId::parse(text.substr(0, dot));
    const std::string_view digits = text.substr(dot + 1);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (!id || digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return EventPlace{std::move(*id), number};
}

Error still_writing(const MessageId& reply) {
    return Error(ErrorCode::state_conflict,
                 {"the reply to the message before is still being written", "上一条消息的回答仍在生成中"},
                 {{"state", std::string(name_of(MessageStatus::streaming))}, {"message_id", reply.str()}});
}

}  // namespace llmm::chat
