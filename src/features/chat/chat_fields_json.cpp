#include "features/chat/chat_fields_json.hpp"

#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::chat {
namespace {

// The contract's bounds; lengths are characters.
constexpr std::size_t kMaxSystemPrompt = 65'536, kMaxStops = 16, kMaxStop = 256, kMaxFileName = 200;
constexpr std::size_t kMaxAttachments = 8, kMaxAttachmentBytes = 256 * 1024;  // bytes of all of a message

}  // namespace

// PostgreSQL stores no NUL in a text, so neither do we.
void refuse_nul(ObjectReader& in, std::string_view name, const std::optional<std::string>& text) {
    if (text && text->find('\0') != std::string::npos) {
        in.add_problem(name, Text{"contains the character U+0000", "包含字符 U+0000"});
    }
}

ChatConfig read_config(ObjectReader& in) {
    ChatConfig config;
    config.system_prompt = in.string("system_prompt", {.max_length = kMaxSystemPrompt});
    config.temperature = in.number("temperature", {.min = 0, .max = 2});
    config.top_p = in.number("top_p", {.min = 0, .max = 1});
    config.top_k = in.integer("top_k", {.min = 0, .max = 1000});
    config.min_p = in.number("min_p", {.min = 0, .max = 1});
    config.max_tokens = in.integer("max_tokens", {.min = 1, .max = 1'048'576});
    config.stop = in.strings("stop", {.max_items = kMaxStops, .item = {.min_length = 1, .max_length = kMaxStop}});
    config.seed = in.integer("seed", {.min = 0, .max = 4'294'967'295});
    config.presence_penalty = in.number("presence_penalty", {.min = -2, .max = 2});
    config.frequency_penalty = in.number("frequency_penalty", {.min = -2, .max = 2});
    config.repeat_penalty = in.number("repeat_penalty", {.min = 0, .max = 2});
    if (const auto policy = in.choice("context_policy", {"error", "drop", "summarise"})) {
        config.context_policy = parse_context_policy(*policy);
    }
    return config;
}

std::optional<ChatConfig> read_config_field(ObjectReader& in) {
    const json::value* value = in.object("config");
    if (!value) return std::nullopt;
    ObjectReader nested(*value);
    ChatConfig config = read_config(nested);
    in.absorb("config", nested);
    return config;
}

std::vector<Attachment> read_attachments(ObjectReader& in, bool exported) {
    std::vector<Attachment> attachments;
    std::size_t bytes = 0;
    for (const auto& [number, value] : in.objects("attachments", kMaxAttachments)) {
        ObjectReader nested(*value);
        Attachment attachment{nested.required_string("name", {.min_length = 1, .max_length = kMaxFileName}),
                              nested.required_string("content", {.max_length = kMaxAttachmentBytes})};
        if (exported) nested.integer("size", {});  // said for readers; the content tells it
        refuse_nul(nested, "name", attachment.name);
        refuse_nul(nested, "content", attachment.content);
        bytes += attachment.content.size();
        in.absorb(fmt::format("attachments.{}", number), nested);
        attachments.push_back(std::move(attachment));
    }
    if (bytes > kMaxAttachmentBytes) {
        in.add_problem("attachments", Text{"are too large together", "附件总大小超出限制"},
                       Text::format("{} bytes", "{} 字节", kMaxAttachmentBytes));
    }
    return attachments;
}

}  // namespace llmm::chat
