#pragma once
#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "base/time/time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace llmm::chat {

enum class Role { system, user, assistant };
enum class MessageStatus { streaming, complete, partial, failed };

// What happens when a conversation has become longer than the engine's context.
enum class ContextPolicy { error, drop, summarise };
// Who gave a session its name. Only a placeholder is replaced by a generated one.
enum class NameOrigin { placeholder, generated, chosen };

std::string_view name_of(Role role);
std::string_view name_of(MessageStatus status);
std::string_view name_of(ContextPolicy policy);
std::string_view name_of(NameOrigin origin);
std::optional<ContextPolicy> parse_context_policy(std::string_view text);
std::optional<NameOrigin> parse_name_origin(std::string_view text);
std::optional<Role> parse_role(std::string_view text);
std::optional<MessageStatus> parse_message_status(std::string_view text);

// How the replies of a session are made. What is empty the engine decides.
struct ChatConfig {
    std::optional<std::string> system_prompt = {};
    std::optional<double> temperature = {}, top_p = {}, min_p = {};
    std::optional<std::int64_t> top_k = {}, max_tokens = {}, seed = {};
    std::optional<std::vector<std::string>> stop = {};
    std::optional<double> presence_penalty = {}, frequency_penalty = {}, repeat_penalty = {};
    std::optional<ContextPolicy> context_policy = {};  // empty: the service's own
    friend bool operator==(const ChatConfig&, const ChatConfig&) = default;
};

struct Session {
    SessionId id;
    std::optional<DeploymentId> deployment_id = {};  // empty once the deployment is deleted
    std::string name = {};
    ChatConfig config = {};
    std::int64_t message_count = 0;
    TimePoint created_at{}, updated_at{};
    NameOrigin name_origin = NameOrigin::chosen;
    std::optional<std::string> folder = {};
    std::vector<std::string> tags = {};
    // The end of the branch that the conversation goes on from; empty while there are no messages.
    std::optional<MessageId> active_message_id = {};
};

struct Usage {
    std::optional<std::int64_t> prompt_tokens, completion_tokens, total_tokens;
    friend bool operator==(const Usage&, const Usage&) = default;
};

struct Timings {
    std::optional<double> time_to_first_token_ms, total_ms, tokens_per_second;
    friend bool operator==(const Timings&, const Timings&) = default;
};

struct MessageFailure {
    ErrorCode error = ErrorCode::internal;
    std::string message;
    friend bool operator==(const MessageFailure&, const MessageFailure&) = default;
};

// What the engine was not given, because it would not have fitted.
struct ContextUse {
    ContextPolicy policy = ContextPolicy::drop;
    std::int64_t context_size = 0, prompt_tokens = 0, dropped_messages = 0;
    std::optional<std::string> summary = {};  // what it was given in place of the messages up to summary_until
    std::optional<MessageId> summary_until = {};
    friend bool operator==(const ContextUse&, const ContextUse&) = default;
};

// What is known about how a reply was made; empty for what people write.
struct Metadata {
    std::optional<Usage> usage = {};
    std::optional<Timings> timings = {};
    std::optional<std::string> finish_reason = {};  // the engine's word, or one of those below
    std::optional<std::string> model = {};
    std::optional<MessageFailure> error = {};
    std::optional<ContextUse> context = {};
    friend bool operator==(const Metadata&, const Metadata&) = default;
};
inline constexpr std::string_view kFinishCancelled = "cancelled", kFinishError = "error";

// A text file that belongs to a message.
struct Attachment {
    std::string name, content;
    friend bool operator==(const Attachment&, const Attachment&) = default;
};

struct Message {
    MessageId id;
    SessionId session_id;
    std::optional<MessageId> parent_id = {};
    Role role = Role::user;
    std::string content = {};
    MessageStatus status = MessageStatus::complete;
    Metadata metadata = {};
    TimePoint created_at{}, updated_at{};
    std::vector<Attachment> attachments = {};
};

// What somebody says in a session.
struct NewMessage {
    std::string content;
    std::optional<MessageId> parent_id = {};  // empty: follows the active branch
    std::optional<MessageId> edit_of = {};    // stands beside this message instead, as a new version of it
    std::vector<Attachment> attachments = {};
};

// One turn of the conversation that an engine is asked to continue.
struct Turn {
    Role role = Role::user;
    std::string content;
    friend bool operator==(const Turn&, const Turn&) = default;
};

// The prompt: the system prompt, then the chain of messages from its root with their attachments, less the replies that
// came to nothing.
std::vector<Turn> make_prompt(const ChatConfig& config, const std::vector<Message>& chain);

// STATE_CONFLICT: a session has one reply at a time.
Error still_writing(const MessageId& reply);

// What a client that follows a reply is told.
struct ReplyStarted {
    Message message, user_message;
};
// Others are before it in front of the engine; told again whenever that changes. It is no part of the reply, so it has
// no id, and who comes back later does not get it again.
struct ReplyQueued {
    MessageId message_id;
    std::size_t position = 0;  // 1: the next one
};
struct ReplyDelta {
    MessageId message_id;
    std::string content;
};
struct ReplyEnded {
    Message message;
};
struct ReplyFailed {
    MessageId message_id;
    Error error;
};
// Where in a reply's events a client is. 0: the start was seen; 2n: and n bytes of the text; an odd number: all of it.
// Positions don't depend on how the text was cut into deltas, so they hold for every watcher and after a restart.
struct EventPlace {
    MessageId message_id;
    std::uint64_t number = 0;

    std::string str() const;  // "<message id>.<number>", the event's id
    static std::optional<EventPlace> parse(std::string_view text);
};

struct ReplyEvent {
    std::string id;  // an EventPlace, or empty
    std::variant<ReplyStarted, ReplyQueued, ReplyDelta, ReplyEnded, ReplyFailed> body;
};

}  // namespace llmm::chat
